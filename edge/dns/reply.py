"""Which bytes does an answer become?

The other half of `edge.dns.query`: values in, bytes out, built with dnslib.  The
question and the owners repeat the name exactly as it was asked, capitals and
all, because resolvers hide a nonce in them (draft-vixie-dnsext-dns0x20).

A reply that is too large for its packet first loses the sentence that explains
it (RFC 8914 section 3), then everything but its header, with TC set: the phone
asks again over TCP.
"""

import struct

import dnslib

from edge.common.dns_options import (
    CLIENT_SUBNET,
    EXTENDED_ERROR,
    NSID,
    ClientSubnet,
    encode_explanation,
    encode_subnet,
)
from edge.common.dns_query import TCP_BYTES_MAX, UDP_BYTES
from edge.dns.answer import AAAA, NS, SOA, A, Answer, Record
from edge.dns.query import BADVERS, REFUSED, Query, Refusal
from edge.dns.zone import EXPIRE_S, REFRESH_S, RETRY_S, Name, Zone

_QR, _AA, _TC = 0x8000, 0x0400, 0x0200
_PLAIN_UDP_BYTES = 512  # RFC 1035 section 4.2.1, for those who speak no EDNS


def room(query: Query, over_tcp: bool) -> int:
    """How large the reply to `query` may be, in bytes."""
    if over_tcp:
        return TCP_BYTES_MAX
    if query.edns is None:
        return _PLAIN_UDP_BYTES
    return min(query.edns.udp_bytes, UDP_BYTES)


def refuse(refusal: Refusal) -> bytes:
    """Twelve bytes and nothing that the sender wrote: there is nothing to amplify."""
    return struct.pack("!HHHHHH", refusal.number, refusal.flags | _QR | refusal.rcode, 0, 0, 0, 0)


def truncate(query: Query, server_name: str) -> bytes:
    """ "Ask me over TCP": a header, the question, and our OPT."""
    return _pack(query, Answer(0, "static"), None, server_name, flags=_TC, explain=False)


def encode(query: Query, answer: Answer, zone: Zone, server_name: str, over_tcp: bool) -> bytes:
    """The reply to `query` that says `answer`."""
    limit = room(query, over_tcp)
    explain = query.edns is not None and query.edns.wants_why and bool(answer.why)
    data = _pack(query, answer, zone, server_name, explain=explain)
    if len(data) > limit and explain:
        data = _pack(query, answer, zone, server_name, explain=False)
    return data if len(data) <= limit else truncate(query, server_name)


def _pack(
    query: Query, answer: Answer, zone: Zone | None, server_name: str, *, flags: int = 0, explain: bool
) -> bytes:
    # We speak with authority for what is ours, not for what we refuse.
    authoritative = 0 if answer.rcode in (REFUSED, BADVERS) else _AA
    header = dnslib.DNSHeader(
        id=query.number, bitmap=query.flags | _QR | authoritative | flags | (answer.rcode & 0xF)
    )
    record = dnslib.DNSRecord(header)
    record.add_question(dnslib.DNSQuestion(dnslib.DNSLabel(query.labels), query.kind, query.klass))
    if zone is not None:
        record.add_answer(*(_resource(each, zone) for each in answer.records))
        if answer.soa:
            # The apex as the phone spelled it: the same letters compress.
            owner = query.labels[len(query.labels) - len(zone.apex) :]
            # RFC 2308 section 5: a "no" is kept for as long as the smaller of the two says.
            record.add_auth(_resource(Record(owner, SOA, zone.ttl_s, zone.server), zone))
        record.add_ar(*(_resource(each, zone) for each in answer.additional))
    if query.edns is not None:
        record.add_ar(_opt(query, answer, server_name, explain))
    return bytes(record.pack())


def _opt(query: Query, answer: Answer, server_name: str, explain: bool) -> dnslib.EDNS0:
    assert query.edns is not None, "who speaks no EDNS gets none"
    options = []
    subnet = query.edns.subnet
    if subnet is not None:
        scoped = ClientSubnet(subnet.family, subnet.address, subnet.source_bits, answer.scope_bits)
        options.append(dnslib.EDNSOption(CLIENT_SUBNET, encode_subnet(scoped)))
    if query.edns.nsid:
        options.append(dnslib.EDNSOption(NSID, server_name.encode()))
    if explain:
        options.append(dnslib.EDNSOption(EXTENDED_ERROR, encode_explanation(answer.why)))
    return dnslib.EDNS0(udp_len=UDP_BYTES, ext_rcode=answer.rcode >> 4, opts=options)


def _resource(record: Record, zone: Zone) -> dnslib.RR:
    if record.kind == SOA:
        mailbox: Name = (b"hostmaster", *zone.apex)
        times = (zone.serial, REFRESH_S, RETRY_S, EXPIRE_S, zone.ttl_s)
        value = dnslib.SOA(dnslib.DNSLabel(zone.server), dnslib.DNSLabel(mailbox), times)
    elif record.kind == NS:
        value = dnslib.NS(dnslib.DNSLabel(record.value))
    elif record.kind in (A, AAAA):
        value = (dnslib.A if record.kind == A else dnslib.AAAA)(record.value)
    else:
        value = dnslib.TXT(record.value)
    return dnslib.RR(dnslib.DNSLabel(record.owner), record.kind, record.klass, record.ttl_s, value)
