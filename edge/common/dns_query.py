"""How does a phone ask our name server, and what does it learn from the reply?

Pure: bytes out, bytes in.  The phone, the load test and `edge dig` each bring a
socket of their own kind (Trio, gevent, plain) and share this.

A query carries where the phone is (client subnet) and which trace the query
belongs to.  A reply is believed only if it answers the question that was asked:
number, name and kind have to be ours (RFC 5452 section 9.1).
"""

import ipaddress
from dataclasses import dataclass
from typing import ClassVar, Literal

import dnslib
from dnslib.label import DNSLabelError

from edge.common.dns_options import (
    CLIENT_SUBNET,
    EXTENDED_ERROR,
    NSID,
    TRACE,
    BadOption,
    decode_explanation,
    decode_subnet,
    encode_subnet,
    subnet_of,
)
from edge.common.errors import EdgeError
from edge.common.trace import TraceContext

Kind = Literal["A", "AAAA", "ANY", "NS", "SOA", "TXT", "HTTPS"]

# What fits into one unfragmented packet nearly everywhere (DNS flag day 2020).
UDP_BYTES = 1232
# A reply over TCP has two bytes for its length.
TCP_BYTES_MAX = 65_535


class NoAnswer(EdgeError):
    """A reply that is none, or that says no; the phone may ask again."""

    retryable: ClassVar = True
    status_hint: ClassVar = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What the name server said."""

    status: str  # "NOERROR", "NXDOMAIN", "REFUSED" ...
    addresses: tuple[str, ...]
    ttl_s: int  # how long `addresses` may be used; 0 without any
    truncated: bool  # ask again over TCP
    scope_bits: int | None  # for how much of the client's subnet this holds; None: not said
    why: str  # the server's sentence on its choice, "" where it gave none
    server: str  # which process answered (NSID)
    records: tuple[str, ...] = ()  # every record of the answer, in zone file form


def build_query(
    number: int, name: str, *, kind: Kind = "A", subnet: str = "", trace: TraceContext | None = None
) -> bytes:
    """A query for `name`; `number` (0 to 65535) should be unpredictable.

    `subnet` such as "192.0.2.0/28" says where the phone is.  Raises `BadOption`
    where it is no network, `NoAnswer` where `name` is no name.
    """
    options = [dnslib.EDNSOption(NSID, b"")]
    if subnet:
        options.append(dnslib.EDNSOption(CLIENT_SUBNET, encode_subnet(subnet_of(subnet))))
    if trace is not None:
        options.append(dnslib.EDNSOption(TRACE, trace.header().encode()))
    record = dnslib.DNSRecord(dnslib.DNSHeader(id=number, bitmap=0))
    try:
        record.add_question(dnslib.DNSQuestion(name, getattr(dnslib.QTYPE, kind)))
        record.add_ar(dnslib.EDNS0(udp_len=UDP_BYTES, opts=options))
        packed: bytes = record.pack()
    except (DNSLabelError, UnicodeError) as error:
        raise NoAnswer(f'"{name}" cannot be asked for: {error}') from error
    return bytes(packed)


def parse_reply(data: bytes, number: int, name: str, kind: Kind = "A") -> Reply:
    """Read the reply to `build_query(number, name, kind=kind)`.

    Raises `NoAnswer` where `data` is no DNS message or answers another question.
    """
    try:
        record = dnslib.DNSRecord.parse(data)
        asked = [(question.qname, question.qtype) for question in record.questions]
        expected = [(dnslib.DNSLabel(name), getattr(dnslib.QTYPE, kind))]
    except (dnslib.DNSError, DNSLabelError, UnicodeError, ValueError, RecursionError) as error:
        # RecursionError: dnslib follows names that point at each other until the stack ends.
        raise NoAnswer(f"the name server's reply cannot be read: {error}") from error
    header = record.header
    if not header.qr or header.id != number:
        raise NoAnswer("the reply is not to our query")
    # A header alone may refuse, but not claim to have answered.
    if asked != expected and (asked or header.rcode == 0):
        raise NoAnswer("the reply answers another question")
    scope_bits, why, server = _told(record)
    wanted = [rr for rr in record.rr if rr.rtype in (dnslib.QTYPE.A, dnslib.QTYPE.AAAA)]
    return Reply(
        status=dnslib.RCODE.get(header.rcode),
        addresses=tuple(str(ipaddress.ip_address(str(rr.rdata))) for rr in wanted),
        ttl_s=min((rr.ttl for rr in wanted), default=0),
        truncated=bool(header.tc),
        scope_bits=scope_bits,
        why=why,
        server=server,
        records=tuple(rr.toZone() for rr in record.rr),
    )


def _told(record: dnslib.DNSRecord) -> tuple[int | None, str, str]:
    scope_bits, why, server = None, "", ""
    for rr in record.ar:
        if rr.rtype != dnslib.QTYPE.OPT:
            continue
        for option in rr.rdata:
            if option.code == CLIENT_SUBNET:
                try:
                    scope_bits = decode_subnet(option.data).scope_bits
                except BadOption as error:
                    raise NoAnswer(f"the reply's client subnet cannot be read: {error}") from error
            elif option.code == EXTENDED_ERROR:
                why = decode_explanation(option.data)
            elif option.code == NSID:
                server = option.data.decode(errors="replace")
    return scope_bits, why, server
