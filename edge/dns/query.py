"""What does this packet ask?

A codec for requests only, one way: bytes in; a `Query`, a `Refusal` to send
back, or None for what must not be answered at all.

Queries are read here and not by dnslib, which builds our replies: it is made to
understand as much as it can, follows compression pointers that form a ring until
the stack ends, and takes reserved label types for long labels.  A server reads
the bytes of strangers and wants the opposite.  So: one question (RFC 9619), its
name uncompressed (there is nothing before it to point at), no answers, at most
one OPT record, every length inside the packet.

A response is never answered, however wrong it is: two servers that apologise to
each other would do so for ever.
"""

import struct
from dataclasses import dataclass, field

from edge.common.dns_options import CLIENT_SUBNET, NSID, TRACE, BadOption, ClientSubnet, decode_subnet

NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, BADVERS = 0, 1, 2, 3, 4, 5, 16
OPT = 41

_HEADER = struct.Struct("!HHHHHH")
_QR, _OPCODE, _RD = 0x8000, 0x7800, 0x0100
_NAME_BYTES_MAX = 255  # RFC 1035 section 2.3.4
_LABEL_BYTES_MAX = 63
_UDP_BYTES_MIN = 512  # RFC 6891 section 6.2.3: smaller values mean this
# A query has room for an OPT and perhaps a signature that we do not read.
_ADDITIONAL_MAX = 4


@dataclass(frozen=True, slots=True)
class Edns:
    """The OPT record of a query, as far as we understand it."""

    udp_bytes: int
    version: int
    subnet: ClientSubnet | None = None
    trace: bytes = b""
    nsid: bool = False

    @property
    def wants_why(self) -> bool:
        """Who tells us where they are, or who they are, is told why this is the answer."""
        return self.subnet is not None or bool(self.trace)


@dataclass(frozen=True, slots=True)
class Query:
    """One question; the name's labels are exactly as they came, capitals and all."""

    number: int
    flags: int  # those that a reply copies: opcode and RD
    labels: tuple[bytes, ...]
    kind: int
    klass: int
    edns: Edns | None = None
    name: tuple[bytes, ...] = field(init=False)  # in small letters, for looking up

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", tuple(label.lower() for label in self.labels))


@dataclass(frozen=True, slots=True)
class Refusal:
    """A packet that is no query we could answer; its sender hears a header with this code."""

    number: int
    flags: int
    rcode: int
    why: str


class _Broken(Exception):
    """Where the reading ended; never leaves this module."""


def read_query(data: bytes) -> Query | Refusal | None:
    """The query in `data`, a refusal to send, or None: not to be answered."""
    if len(data) < _HEADER.size:
        return None
    number, flags, questions, answers, authorities, additional = _HEADER.unpack_from(data)
    if flags & _QR:
        return None
    copied = flags & (_OPCODE | _RD)
    if flags & _OPCODE:
        return Refusal(number, copied, NOTIMP, f"opcode {(flags & _OPCODE) >> 11}")
    try:
        if questions != 1 or answers or authorities or additional > _ADDITIONAL_MAX:
            raise _Broken("a query has one question and no answers")
        labels, kind, klass, at = _read_question(data)
        edns = _read_additional(data, at, additional)
    except (_Broken, BadOption) as error:
        return Refusal(number, copied, FORMERR, str(error))
    return Query(number, copied, labels, kind, klass, edns)


def _read_question(data: bytes) -> tuple[tuple[bytes, ...], int, int, int]:
    labels = []
    at = _HEADER.size
    while True:
        if at >= len(data):
            raise _Broken("the name has no end")
        size = data[at]
        at += 1
        if size == 0:
            break
        # 64 to 255 are pointers and reserved label types (RFC 1035 section 4.1.4).
        if size > _LABEL_BYTES_MAX:
            raise _Broken("the question's name is compressed or of a reserved type")
        if at + size - _HEADER.size >= _NAME_BYTES_MAX:
            raise _Broken("the name is longer than 255 bytes")
        labels.append(data[at : at + size])
        at += size
    if at + 4 > len(data):
        raise _Broken("the question is cut short")
    kind, klass = struct.unpack_from("!HH", data, at)
    return tuple(labels), kind, klass, at + 4


def _read_additional(data: bytes, at: int, count: int) -> Edns | None:
    edns = None
    for _ in range(count):
        owner_at = at
        at = _skip_name(data, at)
        if at + 10 > len(data):
            raise _Broken("a record is cut short")
        kind, klass, ttl, size = struct.unpack_from("!HHIH", data, at)
        at += 10
        if at + size > len(data):
            raise _Broken("a record is longer than the packet")
        if kind == OPT:
            # RFC 6891 section 6.1.1: one only, and its owner is the root.
            if edns is not None or data[owner_at] != 0:
                raise _Broken("a second OPT, or one with a name")
            edns = _read_options(data[at : at + size], klass, ttl)
        at += size
    if at != len(data):
        raise _Broken("bytes follow the last record")
    return edns


def _skip_name(data: bytes, at: int) -> int:
    # The name itself is of no interest, so a pointer is stepped over, not followed.
    while at < len(data):
        size = data[at]
        if size == 0:
            return at + 1
        if size >= 0xC0:
            return at + 2
        if size > _LABEL_BYTES_MAX:
            break
        at += 1 + size
    raise _Broken("a record's name has no end")


def _read_options(data: bytes, udp_bytes: int, ttl: int) -> Edns:
    version = (ttl >> 16) & 0xFF
    subnet, trace, nsid = None, b"", False
    at = 0
    # What a later version may mean by its options is not ours to judge.
    while version == 0 and at < len(data):
        if at + 4 > len(data):
            raise _Broken("an option is cut short")
        code, size = struct.unpack_from("!HH", data, at)
        at += 4
        if at + size > len(data):
            raise _Broken("an option is longer than its record")
        value = data[at : at + size]
        at += size
        if code == CLIENT_SUBNET:
            subnet = decode_subnet(value)
            # RFC 7871 section 6: the scope is the server's to say.
            if subnet.scope_bits:
                raise _Broken("a query's client subnet has a scope")
        elif code == TRACE:
            trace = value
        elif code == NSID:
            nsid = True
    return Edns(max(_UDP_BYTES_MIN, udp_bytes), version, subnet, trace, nsid)
