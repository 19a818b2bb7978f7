"""May this response be stored for others?

RFC 9111 section 3, for a shared cache, and one rule of our own: a response that
sets a cookie, or was asked for with one, is somebody's own until the service
says otherwise (`public`, `s-maxage`) or the operator does (`cache-cookies`).
Each answer is a sentence, "" meaning yes: it stands in `Cache-Status` and in the
trace.
"""

from edge.l7.cache.directives import Directives
from edge.l7.cache.fields import Grouped, joined

# What we know how to treat.  `must-understand` is about statuses whose caching has rules of
# its own; those of RFC 9110 that have one (206, 304) are not stored here.
UNDERSTOOD = frozenset(
    {200, 203, 204, 300, 301, 302, 303, 307, 308, 400, 404, 405, 410, 414, 500, 501, 502, 503, 504}
)


def why_not(
    *,
    status: int,
    fields: Grouped,
    response: Directives,
    request: Directives,
    authorized: bool,
    cookies: bool,
    cookies_allowed: bool,
    lifetime_s: float | None,
) -> str:
    """Why it may not be stored; "" if it may."""
    explicit = response.public or response.s_maxage is not None
    if status < 200 or status in (206, 304):
        return f"a {status} is no whole response"
    if response.must_understand and status not in UNDERSTOOD:
        return f"must-understand, and {status} is not understood"
    if response.no_store and not response.must_understand:
        return "no-store"
    if request.no_store:
        return "the phone said no-store"
    if response.private:
        return "private"
    if authorized and not (explicit or response.must_revalidate):
        return "asked for with Authorization"  # section 3.5
    if not cookies_allowed and b"set-cookie" in fields:
        return "it sets a cookie"
    if not cookies_allowed and cookies and not explicit:
        return "asked for with a cookie"
    if any(name.strip() == b"*" for name in joined(fields, b"vary").split(b",")):
        return "vary: *"
    validator = b"etag" in fields or b"last-modified" in fields
    if lifetime_s is None:
        return "" if validator and response.no_cache else "no lifetime"
    if lifetime_s <= 0 and not validator and not response.stale_while_revalidate:
        return "stale from the start, and nothing to validate it by"
    return ""
