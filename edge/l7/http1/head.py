"""What does this request head say, and may it be said?

`judge` is the plain path: the rules of `edge.l7.http1.rules`, then an
`h11.Connection` for the grammar, then what a proxy wants to know.  It costs
two to three times what h11 alone does, and keeps nothing.  `edge.l7.http1.memo` gives the same verdicts
from memory, and a differential test holds the two together.

`split_head` finds a head in a buffer; nothing is parsed before it is whole.

The values are msgspec Structs: frozen like a dataclass, but built in a tenth of
its time, and a worker builds one for each request.
"""

from typing import Any, Final

import h11
from msgspec import Struct

from edge.l7.fetch import Fields
from edge.l7.http1 import rules
from edge.l7.http1.rules import HeadLimits, Refused

_END: Final = b"\r\n\r\n"
# RFC 9112 section 2.2: a server should ignore at least one empty line before a request.
_EMPTY_LINES_MAX: Final = 2


class RequestLine(Struct, frozen=True, gc=False):
    """The first line.  `target` is in origin-form, or "*"."""

    method: str
    target: bytes
    authority: bytes | None = None  # from absolute-form; overrides Host
    version: bytes = b"1.1"


class Block(Struct, frozen=True, gc=False):
    """The header fields, and what was worked out from them once."""

    fields: Fields  # (lower-case name, value), in the phone's order
    host_value: bytes  # as the phone wrote it; b"" where HTTP/1.0 had none
    host: str
    keep_alive: bool
    forward: bytes  # the lines that go on to a service, each ending in CRLF; no Host, no framing
    traceparent: bytes | None = None
    tracestate: bytes | None = None
    keep_trace: bool = False  # `edge-trace: 1`
    user_agent: bytes = b""  # b"" also where it was said twice


class Head(Struct, frozen=True, gc=False):
    """A head that may be served."""

    line: RequestLine
    block: Block
    body: int = 0  # bytes, or rules.CHUNKED
    expect_continue: bool = False
    upgrade: bytes = b""  # the protocol that the phone offers to change to


class Known:
    """A head that came before, byte for byte."""

    __slots__ = ("head", "passed")

    def __init__(self, head: Head) -> None:
        self.head = head
        self.passed: Any = None  # an `edge.l7.passed.Passed`, which is the pipeline's to keep here


def split_head(buffer: bytes, limits: HeadLimits) -> tuple[bytes, bytes] | None:
    """(head with its empty line, what follows it), or None while the head is incomplete.

    Raises `Refused` as soon as the beginning shows that no proper head can come:
    a phone that speaks something else must not hold us until the timeout.
    """
    if buffer.startswith(b"\r\n"):
        for _ in range(_EMPTY_LINES_MAX):
            buffer = buffer.removeprefix(b"\r\n")
    end = buffer.find(_END, 0, limits.head_bytes_max) + 4
    if end == len(buffer) and end > 3:
        return buffer, b""  # the usual case: one whole head in one read, and no copy
    if end > 3:
        return buffer[:end], buffer[end:]
    if not buffer:
        return None
    first, newline, _ = buffer.partition(b"\n")
    if buffer[0] < 0x21 and buffer != b"\r":
        raise Refused(400, "request-line", "This is not the beginning of an HTTP request.")
    if len(first) > limits.target_bytes_max + 64:
        raise Refused(414, "target-length", "The request target is too long.")
    if len(buffer) >= limits.head_bytes_max:
        raise Refused(431, "head-length", "The request head is too long.")
    if newline and not first.endswith(b"\r"):
        raise Refused(400, "bare-lf", "A line of the request head ends in LF without CR.")
    if b"\n\n" in buffer or b"\n\r\n" in buffer.replace(_END, b""):
        raise Refused(400, "bare-lf", "A line of the request head ends in LF without CR.")
    return None


def judge(head: bytes, limits: HeadLimits) -> Head:
    """The verdict on a whole head, its empty line included.  Raises `Refused`."""
    if len(head) > limits.head_bytes_max:
        raise Refused(431, "head-length", "The request head is too long.")
    rules.check_bytes(head)
    first, *lines = head[: -len(_END)].split(b"\r\n")
    method, target, version = rules.check_request_line(first, limits)
    names = rules.check_names(lines, limits)
    target, authority = rules.split_target(method, target)
    # Before h11, which has its own mind about codings and makes one number of "5, 5".
    length = rules.body_length(_as_sent(names, lines), version)
    fields = _ask_h11(head, limits)
    host_value, host = _host(names, fields, authority, version)
    if authority is not None:
        # RFC 9112 section 3.2.2: a proxy replaces Host.  Route, firewall and service then speak of one host.
        fields = tuple((name, authority if name == b"host" else value) for name, value in fields)
    options = rules.tokens(fields, b"connection")
    expect_continue = _expects_continue(fields, version) and length != 0
    block = Block(
        fields=fields,
        host_value=host_value,
        host=host,
        keep_alive=version == b"1.1" and b"close" not in options,
        forward=forward_lines(fields, frozenset(options)),
        traceparent=_single(fields, b"traceparent"),
        tracestate=_joined(fields, b"tracestate"),
        keep_trace=_single(fields, b"edge-trace") == b"1",
        user_agent=_single(fields, b"user-agent") or b"",
    )
    upgrade = b""
    if b"upgrade" in options and version == b"1.1" and length == 0:
        upgrade = b", ".join(rules.tokens(fields, b"upgrade"))
    return Head(
        RequestLine(method.decode("ascii"), target, authority, version),
        block,
        length,
        expect_continue,
        upgrade,
    )


def forward_lines(fields: Fields, nominated: frozenset[bytes]) -> bytes:
    """The header lines that may go on to a service.

    Drops hop-by-hop fields, those that Connection nominates (RFC 9110 section
    7.6.1), framing, and whatever the edge writes itself.
    """
    return b"".join(
        [forward_line(name, value) for name, value in fields if name not in nominated or name == b"host"]
    )


def forward_line(name: bytes, value: bytes) -> bytes:
    """The line of one field on its way to a service; empty where it must not go there."""
    if name in rules.HOP_BY_HOP or rules.is_forged(name):
        return b""
    return b"%b: %b\r\n" % (name, value)


def _ask_h11(head: bytes, limits: HeadLimits) -> Fields:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.head_bytes_max + 1)
    try:
        connection.receive_data(head)
        event = connection.next_event()
    except h11.RemoteProtocolError as error:
        # h11's texts quote the phone's bytes, which belong into no answer.
        status = error.error_status_hint
        raise Refused(status, "h11", "The request head is malformed.") from error
    if not isinstance(event, h11.Request):
        raise Refused(400, "h11", "The request head is malformed.")
    return tuple((bytes(name), bytes(value)) for name, value in event.headers)


def _as_sent(names: list[bytes], lines: list[bytes]) -> Fields:
    return tuple(
        (name, line.partition(b":")[2].strip(b" \t")) for name, line in zip(names, lines, strict=True)
    )


def _host(names: list[bytes], fields: Fields, authority: bytes | None, version: bytes) -> tuple[bytes, str]:
    count = names.count(b"host")
    if count > 1 or (count == 0 and version == b"1.1"):
        raise Refused(400, "host", "The Host field is missing or repeated.")
    value = next((value for name, value in fields if name == b"host"), b"")
    host = rules.check_host(value) if count else ""
    if authority is not None:
        return authority, rules.check_host(authority)
    return value, host


def _expects_continue(fields: Fields, version: bytes) -> bool:
    expectations = rules.tokens(fields, b"expect")
    if not expectations or version == b"1.0":
        return False  # RFC 9110 section 10.1.1: ignore it from HTTP/1.0
    if expectations != [b"100-continue"]:
        raise Refused(417, "expectation", "This expectation cannot be met.")
    return True


def _single(fields: Fields, name: bytes) -> bytes | None:
    values = [value for key, value in fields if key == name]
    return values[0] if len(values) == 1 else None


def _joined(fields: Fields, name: bytes) -> bytes | None:
    values = [value for key, value in fields if key == name]
    return b",".join(values) if values else None
