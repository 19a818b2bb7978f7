"""Does the phone have this already, and which part of it does it want?

Preconditions (RFC 9110 section 13) that a cache may evaluate: If-None-Match by
weak comparison, and only without it If-Modified-Since.  A single byte range
(section 14) is cut from a whole stored response; several ranges, or another
unit, get the whole, which a server is always free to send.
"""

import re
from typing import Final, Literal

from edge.l7.cache.http_date import parse_date

_TAG = re.compile(rb'(?:W/)?"[^"\x00-\x20\x7f]*"')
_RANGE = re.compile(rb"bytes=[ \t]*(\d*)-(\d*)[ \t]*\Z", re.IGNORECASE)
# More digits than any length has; int() of a longer string would only cost time.
_DIGITS_MAX: Final = 18

Unsatisfiable = Literal["unsatisfiable"]


def not_modified(
    if_none_match: bytes | None,
    if_modified_since: bytes | None,
    etag: bytes | None,
    modified: float | None,
    date: float,
) -> bool:
    """May the phone be told 304?  `modified`: Last-Modified; without one its `date` has to do."""
    if if_none_match is not None:
        if if_none_match.strip() == b"*":
            return True
        if etag is None:
            return False
        opaque = etag.removeprefix(b"W/")
        tags = _TAG.findall(if_none_match) or [if_none_match.strip()]
        return any(tag.removeprefix(b"W/") == opaque for tag in tags)
    if if_modified_since is not None:
        since = parse_date(if_modified_since)
        return since is not None and (date if modified is None else modified) <= since
    return False


def may_use_range(if_range: bytes | None, etag: bytes | None, last_modified: bytes | None) -> bool:
    """Is what the phone has a part of what we have (RFC 9110 section 13.1.5)?"""
    if if_range is None:
        return True
    if if_range.startswith(b'"'):
        return if_range == etag  # strong comparison: a weak tag starts otherwise
    return last_modified is not None and if_range == last_modified


def byte_range(value: bytes, length: int) -> tuple[int, int] | Unsatisfiable | None:
    """First and last byte (inclusive) that `value` asks for of `length`; None: send the whole."""
    found = _RANGE.match(value)
    if found is None or len(found[1]) > _DIGITS_MAX or len(found[2]) > _DIGITS_MAX:
        return None
    first, last = found[1], found[2]
    if not first:
        if not last:
            return None
        suffix = int(last)
        if suffix == 0 or length == 0:
            return "unsatisfiable"
        return max(0, length - suffix), length - 1
    start = int(first)
    if last and int(last) < start:
        return None  # section 14.1.1: invalid, so ignored
    if start >= length:
        return "unsatisfiable"
    return start, min(int(last), length - 1) if last else length - 1
