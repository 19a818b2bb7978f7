"""What does the head of a service's answer say?

The counterpart of `edge.l7.http1.memo` towards the services: status line and
header lines are judged by h11 once and remembered, framing is read each time.
A service is ours, but it may be somebody's application; what two parsers could
read in two ways is refused here too, and the phone gets 502.

State: three bounded memories, owned by one worker.
"""

from typing import Final

import h11
from msgspec import Struct

from edge.common.errors import EdgeError
from edge.l7.fetch import Fields
from edge.l7.http1 import rules
from edge.l7.http1.memo import Generations
from edge.l7.http1.rules import CHUNKED

UNTIL_CLOSE: Final = -2
HEAD_BYTES_MAX: Final = 64 * 1024  # services set large cookies and policies; nginx allows 4-8 KiB, Envoy 60
_VOLATILE: Final = frozenset(
    (b"date", b"content-length", b"server-timing", b"x-request-id", b"etag", b"set-cookie")
)
# Written anew by us, or the service's private talk with the edge.
_OURS: Final = frozenset((b"server-timing", b"x-request-id", b"via"))


class BadReply(EdgeError):
    """A service sent something that is no HTTP/1.1 answer."""

    blame = "service"
    status_hint = 502


class ReplyHead(Struct, frozen=True, gc=False):
    """The head of an answer."""

    status: int
    fields: Fields
    forward: bytes  # lines for the phone, without framing and hop-by-hop fields
    length: int  # of the body: bytes, CHUNKED or UNTIL_CLOSE; 0 where the method or status allows none
    told_length: int  # Content-Length as it was said, -1 without: HEAD and 304 pass it on
    keep_alive: bool
    server_timing: bytes = b""
    upgrade: bytes = b""


class ReplyMemo:
    """Judges heads of answers, and remembers their lines."""

    def __init__(self, entries_max: int, bytes_max: int) -> None:
        self._heads: Generations[ReplyHead] = Generations(256, bytes_max)
        self._statuses: Generations[tuple[int, bool]] = Generations(256, 64 * 1024)
        self._fields: Generations[tuple[tuple[bytes, bytes], bytes, bool]] = Generations(
            entries_max, bytes_max
        )
        self._names: Generations[bytes] = Generations(1024, 64 * 1024)
        self.judged = 0

    def judge(self, head: bytes, method: str, request_id: str = "") -> ReplyHead:
        """The verdict on a whole head, its empty line included.  Raises `BadReply`.

        A service that echoes `request_id` would make every head new, so that line is
        taken out first; we write our own.
        """
        if request_id:
            head = head.replace(b"\r\nx-request-id: %b\r\n" % request_id.encode(), b"\r\n", 1)
        if method == "HEAD":
            return self._judge(head, method)
        known = self._heads.young.get(head)
        if known is None:
            known = self._judge(head, method)
            # Also with a Date inside: thousands of answers share each second of it.
            self._heads.put(head, known)
        return known

    def _judge(self, head: bytes, method: str) -> ReplyHead:
        first, *lines = head[:-4].split(b"\r\n")
        status, persistent = self._statuses.young.get(first) or self._status(first)
        young = self._fields.young
        pairs: list[tuple[bytes, bytes]] = []
        forward: list[bytes] = []
        telling: list[tuple[bytes, bytes]] = []
        for line in lines:
            pair, onward, tells = young.get(line) or self._field(line)
            pairs.append(pair)
            forward.append(onward)
            if tells:
                telling.append(pair)
        fields = tuple(pairs)
        length, told = _length(telling, status, method)
        options = rules.tokens(tuple(telling), b"connection") if telling else []
        if options and (nominated := frozenset(options) - {b"close", b"keep-alive"}):
            forward = [_forward(name, value) for name, value in fields if name not in nominated]
        return ReplyHead(
            status,
            fields,
            b"".join(forward),
            length,
            told,
            b"close" not in options and (persistent or b"keep-alive" in options) and length != UNTIL_CLOSE,
            b", ".join([value for name, value in telling if name == b"server-timing"]),
            next((value for name, value in telling if name == b"upgrade"), b""),
        )

    def _status(self, first: bytes) -> tuple[int, bool]:
        known = self._statuses.get(first)
        if known is None:
            self.judged += 1
            event = _ask_h11(first + b"\r\ncontent-length: 0\r\n\r\n")
            known = (event.status_code, event.http_version != b"1.0")
            self._statuses.put(first, known)
        return known

    def _field(self, line: bytes) -> tuple[tuple[bytes, bytes], bytes, bool]:
        known = self._fields.get(line)
        if known is not None:
            return known
        raw, colon, value = line.partition(b":")
        if not colon or value.translate(None, rules.VALUE_BYTES):
            raise BadReply("a header line of the answer is malformed")
        name = self._names.get(raw)
        if name is None:
            self.judged += 1
            name = raw.lower()
            if name not in (b"content-length", b"transfer-encoding"):
                _ask_h11(b"HTTP/1.1 200 OK\r\n" + raw + b": a\r\n\r\n")
            self._names.put(raw, name)
        value = value.strip(b" \t")
        tells = name in rules.HOP_BY_HOP or name == b"server-timing"
        field = ((name, value), _forward(name, value), tells)
        if name not in _VOLATILE:
            self._fields.put(line, field)
        return field


def _forward(name: bytes, value: bytes) -> bytes:
    if name in rules.HOP_BY_HOP or name in _OURS or name.startswith(b"edge-"):
        return b""
    return b"%b: %b\r\n" % (name, value)


def _length(telling: list[tuple[bytes, bytes]], status: int, method: str) -> tuple[int, int]:
    """Length of the body and what Content-Length said (RFC 9112 section 6.3, for answers)."""
    lengths = [value for name, value in telling if name == b"content-length"]
    codings = [value.lower() for name, value in telling if name == b"transfer-encoding"]
    if len(lengths) > 1 or (lengths and codings):
        raise BadReply("the answer's length is ambiguous")
    told = -1
    if lengths:
        if not lengths[0].isdigit() or len(lengths[0]) > 15:
            raise BadReply("the answer's Content-Length is malformed")
        told = int(lengths[0])
    if method == "HEAD" or status < 200 or status in (204, 304):
        return 0, told
    if codings:
        if codings != [b"chunked"]:
            raise BadReply("the answer's transfer coding is not chunked")
        return CHUNKED, told
    return (told, told) if lengths else (UNTIL_CLOSE, told)


def _ask_h11(head: bytes) -> h11.Response | h11.InformationalResponse:
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES_MAX)
    # With an offer, or h11 would find fault with every 101; whether there was one, the exchange knows.
    offer = [("host", "a"), ("connection", "upgrade"), ("upgrade", "a")]
    connection.send(h11.Request(method="GET", target="/", headers=offer))
    connection.send(h11.EndOfMessage())
    try:
        connection.receive_data(head)
        event = connection.next_event()
    except h11.RemoteProtocolError as error:
        raise BadReply("the head of the answer is malformed") from error
    if not isinstance(event, h11.Response | h11.InformationalResponse):
        raise BadReply("the head of the answer is malformed")
    return event
