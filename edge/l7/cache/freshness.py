"""How long may this response be reused, and how old is it already?

RFC 9111 section 4.2.  Lifetimes come from the targeted field, then s-maxage,
max-age, Expires, and last, where the status allows it, from a share of the time
since Last-Modified.  Age is what the response says, or what its Date says,
whichever is older, plus the time it took to get here.
"""

from typing import Final

from edge.common.config import CacheConfig
from edge.l7.cache.directives import NONE, SECONDS_MAX, Directives, parse, parse_targeted
from edge.l7.cache.fields import Grouped, joined
from edge.l7.cache.http_date import parse_date

# RFC 9110 section 15.1, without 206, which we do not store.
HEURISTIC_STATUSES: Final = frozenset({200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501})


def response_directives(fields: Grouped) -> Directives:
    """What holds for us: CDN-Cache-Control where it is there and right, else Cache-Control."""
    targeted = joined(fields, b"cdn-cache-control")
    if targeted and (understood := parse_targeted(targeted)) is not None:
        return understood
    value = joined(fields, b"cache-control")
    return parse(value) if value else NONE


def lifetime_s(
    status: int, fields: Grouped, directives: Directives, config: CacheConfig, unix_now: float
) -> float | None:
    """For how many seconds from age 0 it is fresh; None where nothing says and nothing may be assumed."""
    explicit = directives.explicit_s()
    if explicit is not None:
        return float(explicit)
    date = _date(fields, unix_now)
    expires = fields.get(b"expires")
    if expires is not None and b"cdn-cache-control" not in fields:
        # Section 5.3: an invalid or doubled Expires is a time in the past.
        until = parse_date(expires[0]) if len(expires) == 1 else None
        return 0.0 if until is None else max(0.0, until - date)
    if status in HEURISTIC_STATUSES or directives.public:
        modified = fields.get(b"last-modified")
        since = parse_date(modified[0]) if modified else None
        if since is not None and since < date:
            return min((date - since) * config.heuristic_share, config.heuristic_s_max)
    return None


def initial_age_s(fields: Grouped, delay_s: float, unix_now: float) -> float:
    """How old it was when it arrived; `delay_s` passed since we asked (RFC 9111 section 4.2.3)."""
    apparent = max(0.0, unix_now - _date(fields, unix_now))
    # Section 5.1: the first value counts, and one that is no number is ignored.
    first = fields[b"age"][0].partition(b",")[0].strip() if b"age" in fields else b""
    said = min(int(first[:12]), SECONDS_MAX) if first.isdigit() else 0
    return max(apparent, said + delay_s)


def _date(fields: Grouped, unix_now: float) -> float:
    values = fields.get(b"date")
    date = parse_date(values[0]) if values else None
    return unix_now if date is None else date
