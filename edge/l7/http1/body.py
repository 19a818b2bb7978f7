"""Where does this body end?

Two readers with one interface: `feed(data)` gives the pieces of content in
`data`, `complete` says whether the body is over, and `rest` holds what came
behind it.  Content is passed on as the pieces arrive; nothing is collected.

They are ours and not h11's for two reasons.  h11 copies each piece twice, and
it is lenient where a proxy must not be: it takes any bytes as a chunk
extension, which is where two parsers part company.  Blanks before an extension,
which RFC 9112 section 7.1.1 lets a recipient forgive, are refused as h11 does.
Everything accepted here is accepted by h11 and read the same way; tests hold that.

State: a few numbers, and at most one unfinished line of `LINE_BYTES_MAX`.
"""

import re
from typing import Final, Protocol

from edge.l7.http1.rules import Refused

# A size, and an extension nobody uses.  Long extensions are an attack (Go's CVE-2023-39326).
LINE_BYTES_MAX: Final = 256
# Lines of framing that a body may cost beyond one in sixteen bytes of content.
FRAMING_BYTES_MAX: Final = 16 * 1024
TRAILER_BYTES_MAX: Final = 8 * 1024

_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[\t\x20-\x7e\x80-\xff]*)?")
_TRAILER: Final = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*")

# RFC 9110 section 6.5.1: nothing that says how long a message is, or for whom, may come behind it.
_NEVER_TRAILERS: Final = frozenset((b"content-length", b"transfer-encoding", b"host"))


class Body(Protocol):
    """A body being read."""

    complete: bool
    rest: bytes

    def feed(self, data: bytes) -> list[bytes]:
        """The content in `data`.  Raises `Refused`."""


class LengthBody:
    """As many bytes as Content-Length said."""

    __slots__ = ("complete", "missing", "rest")

    def __init__(self, length: int) -> None:
        self.missing = length
        self.complete = length == 0
        self.rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The content in `data`."""
        if self.complete:
            self.rest += data
            return []
        if len(data) < self.missing:
            self.missing -= len(data)
            return [data] if data else []
        self.complete = True
        self.rest = data[self.missing :]
        piece = data[: self.missing] if self.rest else data
        self.missing = 0
        return [piece]


class ChunkedBody:
    """Chunks, until the one of size 0 and the trailer section behind it.

    Trailers are checked and dropped: no service asked for any (RFC 9110
    section 6.5.1 lets an intermediary discard them).
    """

    __slots__ = (
        "_framing_bytes",
        "_line",
        "_missing",
        "_state",
        "_trailer_bytes",
        "complete",
        "content_bytes",
        "rest",
    )

    def __init__(self) -> None:
        self.complete = False
        self.rest = b""
        self.content_bytes = 0
        self._missing = 0
        self._state = "size"  # size -> data -> end -> size ...; size 0 -> trailer
        self._line = b""
        self._framing_bytes = 0
        self._trailer_bytes = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The content in `data`.  Raises `Refused` at the first byte out of place."""
        pieces: list[bytes] = []
        at = 0
        while not self.complete:
            if self._state == "data":
                piece = data[at : at + self._missing] if at or len(data) > self._missing else data
                if not piece:
                    return pieces
                at += len(piece)
                self._missing -= len(piece)
                self.content_bytes += len(piece)
                pieces.append(piece)
                if not self._missing:
                    self._state = "end"
                continue
            newline = data.find(b"\n", at)
            if newline < 0:
                self._line += data[at:]
                self._check_partial()
                return pieces
            line = self._line + data[at : newline + 1]
            self._line = b""
            at = newline + 1
            if not line.endswith(b"\r\n"):
                raise Refused(400, "chunk", "A line of the chunked body ends in LF without CR.")
            self._take(line[:-2])
        self.rest += data[at:]
        return pieces

    def _take(self, line: bytes) -> None:
        if self._state == "end":
            if line:
                raise Refused(400, "chunk", "A chunk is longer than it says.")
            self._state = "size"
        elif self._state == "size":
            match = _SIZE.fullmatch(line) if len(line) <= LINE_BYTES_MAX else None
            if match is None:
                raise Refused(400, "chunk", "A chunk size is malformed.")
            self._framing_bytes += len(line)
            if self._framing_bytes > FRAMING_BYTES_MAX + 16 * self.content_bytes:
                raise Refused(400, "chunk", "The body is more framing than content.")
            self._missing = int(match[1], 16)
            self._state = "data" if self._missing else "trailer"
        elif not line:
            self.complete = True
        else:
            self._trailer_bytes += len(line)
            if self._trailer_bytes > TRAILER_BYTES_MAX:
                raise Refused(431, "trailer", "The trailer section is too long.")
            if not _TRAILER.fullmatch(line) or line.partition(b":")[0].lower() in _NEVER_TRAILERS:
                raise Refused(400, "trailer", "A trailer field is malformed or out of place.")

    def _check_partial(self) -> None:
        bound = TRAILER_BYTES_MAX if self._state == "trailer" else LINE_BYTES_MAX
        if len(self._line) > bound:
            raise Refused(400, "chunk", "A line of the chunked body is too long.")
        if self._state == "end" and self._line not in (b"", b"\r"):
            raise Refused(400, "chunk", "A chunk is longer than it says.")


class UntilCloseBody:
    """All that comes until the connection ends (answers of HTTP/1.0 services only)."""

    __slots__ = ("complete", "rest")

    def __init__(self) -> None:
        self.complete = False
        self.rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The content in `data`: all of it."""
        return [data] if data else []


def chunk(piece: bytes) -> bytes:
    """`piece` as one chunk; must not be empty, an empty chunk would end the body."""
    assert piece
    return b"%x\r\n%b\r\n" % (len(piece), piece)


LAST_CHUNK: Final = b"0\r\n\r\n"
