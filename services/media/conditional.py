"""What part of a file, if any, does this request want?

RFC 9110 sections 13 (conditional requests) and 14 (ranges).  A request that
knows the current validator gets 304; a range of one piece gets 206; a range that
lies outside gets 416; anything stranger (several pieces, other units, a stale
`If-Range`) gets the whole file, which section 14.2 always allows.
"""

import re
from email.utils import parsedate_to_datetime

_RANGE = re.compile(rb"bytes=(\d{0,15})-(\d{0,15})")


def not_modified(
    etag: bytes, modified_unix: int, if_none_match: bytes | None, if_modified_since: bytes | None
) -> bool:
    """May the answer be 304?  `If-None-Match` counts alone where it is given (section 13.1.3)."""
    if if_none_match is not None:
        if if_none_match.strip() == b"*":
            return True
        known = (tag.strip().removeprefix(b"W/") for tag in if_none_match.split(b","))
        return etag in known
    since = _unix(if_modified_since)
    return since is not None and modified_unix <= since


def wanted_range(value: bytes | None, size: int) -> tuple[int, int] | None:
    """(first, last) of the one range in `Range`; None for the whole.  Raises `ValueError` for 416."""
    match = _RANGE.fullmatch(value.strip()) if value is not None else None
    if match is None or match.group() == b"bytes=-":
        return None
    first_text, last_text = match.groups()
    if not first_text:  # the last so many bytes
        length = int(last_text)
        if length == 0 or size == 0:
            raise ValueError("no byte was asked for")
        return max(0, size - length), size - 1
    first = int(first_text)
    last = int(last_text) if last_text else size - 1
    if last < first and last_text:
        return None  # section 14.1.1: invalid, so as if it were not there
    if first >= size:
        raise ValueError("the range begins behind the end")
    return first, min(last, size - 1)


def range_counts(if_range: bytes | None, etag: bytes, modified_unix: int) -> bool:
    """Is the requester's partial copy still of this file?  `If-Range`, section 13.1.5."""
    if if_range is None:
        return True
    if if_range.strip().startswith(b'"'):
        return if_range.strip() == etag
    return _unix(if_range) == modified_unix


def _unix(value: bytes | None) -> int | None:
    if value is None:
        return None
    try:
        return int(parsedate_to_datetime(value.decode("latin-1")).timestamp())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
