"""How are header fields read and kept by a cache?

Fields arrive as (name, value) pairs in order; a cache wants them by name.  What
belongs to one connection or is made anew for each message is not kept (RFC 9111
section 3.1).
"""

from collections.abc import Mapping
from typing import Final

Fields = tuple[tuple[bytes, bytes], ...]
Grouped = Mapping[bytes, list[bytes]]

# RFC 9110 section 7.6.1, RFC 9111 section 3.1, and what the edge writes anew on each answer.
NOT_KEPT: Final = frozenset(
    b"connection keep-alive proxy-connection te transfer-encoding upgrade trailer proxy-authenticate"
    b" proxy-authentication-info proxy-authorization content-length age cache-status proxy-status"
    b" server-timing".split()
)
# RFC 9111 section 3.2: they describe the stored bytes, which a 304 does not change.
NOT_UPDATED: Final = frozenset({b"content-encoding", b"content-range", b"content-length"})
# RFC 9110 section 15.4.5: what a 304 carries; the rest would describe a body that is not there.
NOT_IN_304: Final = frozenset(
    {b"content-type", b"content-encoding", b"content-language", b"content-range", b"content-disposition"}
)


def grouped(fields: Fields) -> dict[bytes, list[bytes]]:
    """Values by lower-case name, each in the order they came."""
    found: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        found.setdefault(name.lower(), []).append(value)
    return found


def joined(fields: Grouped, name: bytes) -> bytes:
    """All lines of `name` as one list (RFC 9110 section 5.3)."""
    return b", ".join(fields.get(name, ()))


def kept(fields: Fields, hidden: frozenset[bytes]) -> Fields:
    """What of a response may be stored."""
    lower = [(name.lower(), value) for name, value in fields]
    listed = {
        option.strip().lower()
        for name, value in lower
        if name == b"connection"
        for option in value.split(b",")
    }
    dropped = NOT_KEPT | listed | hidden
    return tuple((name, value) for name, value in lower if name not in dropped)


def updated(stored: Fields, new: Fields) -> Fields:
    """`stored` with what a 304 says anew (RFC 9111 section 3.2)."""
    fresh = [pair for pair in kept(new, frozenset()) if pair[0] not in NOT_UPDATED]
    names = {name for name, _ in fresh}
    return tuple(pair for pair in stored if pair[0] not in names) + tuple(fresh)
