"""A phone's side of DNS: what it sends, and what it believes."""

import ipaddress
import struct

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.common.dns_query import NoAnswer, Reply, build_query, parse_reply
from edge.common.trace import TraceContext

NAME = "i.edge.test"
TRACE = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")


def reply_to(query: bytes, *records: str, options: tuple[dns.edns.Option, ...] = ()) -> dns.message.Message:
    reply = dns.message.make_response(dns.message.from_wire(query))
    for record in records:
        reply.answer.append(dns.rrset.from_text(*record.split()))
    reply.use_edns(0, options=options)
    return reply


def test_a_query_says_where_the_phone_is_and_which_trace_it_belongs_to() -> None:
    """dnspython reads what we wrote."""
    message = dns.message.from_wire(build_query(4711, NAME, subnet="192.0.2.3/28", trace=TRACE))

    assert message.id == 4711
    assert [question.to_text() for question in message.question] == ["i.edge.test. IN A"]
    options = {int(option.otype): option.to_wire() for option in message.options}
    assert options[8] == b"\0\1\x1c\0\xc0\0\2\0"
    assert options[65001] == TRACE.header().encode()
    assert message.payload == 1232


def test_a_reply_is_read_with_all_that_it_tells() -> None:
    """Addresses, the shortest TTL, the scope, the reason and who answered."""
    query = build_query(1, NAME, subnet="192.0.2.0/28")
    reply = reply_to(
        query,
        "i.edge.test. 20 IN A 127.0.1.1",
        options=(
            dns.edns.ECSOption("192.0.2.0", 28, 28),
            dns.edns.EDEOption(0, "from Jaipur: mumbai"),
            dns.edns.NSIDOption(b"dns-1"),
        ),
    )

    read = parse_reply(reply.to_wire(), 1, NAME)

    assert read.status == "NOERROR"
    assert read.addresses == ("127.0.1.1",)
    assert (read.ttl_s, read.scope_bits, read.why, read.server) == (20, 28, "from Jaipur: mumbai", "dns-1")
    assert not read.truncated
    assert len(read.records) == 1


def test_a_no_is_an_answer_too() -> None:
    """The phone learns the difference between "no such name" and no reply."""
    reply = reply_to(build_query(1, NAME))
    reply.set_rcode(dns.rcode.NXDOMAIN)

    read = parse_reply(reply.to_wire(), 1, NAME)

    assert (read.status, read.addresses, read.ttl_s) == ("NXDOMAIN", (), 0)


def test_a_truncated_reply_says_so() -> None:
    """The phone asks again over TCP."""
    reply = reply_to(build_query(1, NAME))
    reply.flags |= dns.flags.TC

    assert parse_reply(reply.to_wire(), 1, NAME).truncated


@pytest.mark.parametrize("number", [0, 2, 65535])
def test_a_reply_with_another_number_is_not_believed(number: int) -> None:
    """Blind spoofing has to guess it."""
    reply = reply_to(build_query(number, NAME))

    with pytest.raises(NoAnswer):
        parse_reply(reply.to_wire(), 1, NAME)


def test_a_reply_to_another_question_is_not_believed() -> None:
    """Right number, wrong name: somebody else's reply, or an attack."""
    with pytest.raises(NoAnswer):
        parse_reply(reply_to(build_query(1, "evil.test")).to_wire(), 1, NAME)
    with pytest.raises(NoAnswer):
        parse_reply(build_query(1, NAME), 1, NAME)


@pytest.mark.parametrize("name", ["a" * 64 + ".test", ".".join(["abcdefgh"] * 32), "a..b"])
def test_what_is_no_name_is_not_asked_for(name: str) -> None:
    """A typed name must not end in a traceback."""
    with pytest.raises(NoAnswer):
        build_query(1, name)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_reply_or_no_answer(data: bytes) -> None:
    """Whatever arrives at the port, the phone lives on, and believes no stranger."""
    _believed_as_ours_only(b"\0\1\x84\0" + data)


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=8))
def test_a_damaged_reply_is_a_reply_or_no_answer(damage: list[tuple[int, int]]) -> None:
    """Nearly right bytes reach deeper into the parser than random ones."""
    query = build_query(1, NAME, subnet="192.0.2.0/28")
    options = (dns.edns.ECSOption("192.0.2.0", 28, 28), dns.edns.EDEOption(0, "why"))
    data = bytearray(reply_to(query, "i.edge.test. 20 IN A 127.0.1.1", options=options).to_wire())
    for at, value in damage:
        data[at % len(data)] = value

    reply = _believed_as_ours_only(bytes(data))

    assert damage or reply is not None, "the undamaged one is believed"


def _believed_as_ours_only(data: bytes) -> Reply | None:
    """The reply in `data`, which then answers no other query and holds nothing but addresses."""
    with pytest.raises(NoAnswer):
        parse_reply(data, 2, NAME)
    try:
        reply = parse_reply(data, 1, NAME)
    except NoAnswer:
        return None
    assert all(str(ipaddress.ip_address(address)) == address for address in reply.addresses)
    assert reply.ttl_s == 0 or reply.addresses
    return reply


def test_names_that_point_at_each_other_do_not_exhaust_the_stack() -> None:
    """A ring of two compression pointers, which dnslib follows until Python stops it."""
    head = struct.pack("!HHHHHH", 1, 0x8400, 1, 2, 0, 0) + b"\x01i\x04edge\x04test\0\0\1\0\1"
    start = 0x284  # from here on a pointer's bytes are valid UTF-8, which dnslib asks of labels
    padding = start - len(head) - 11
    record = b"\0" + struct.pack("!HHIH", 65280, 1, 0, padding) + bytes(padding)
    ring = bytearray(24)
    ring[0] = 17  # a label that steps over the pointer at 14
    ring[8] = 5  # a label that ends before it
    ring[14:16] = (0xC000 | start).to_bytes(2, "big")
    ring[18:20] = (0xC000 | (start + 8)).to_bytes(2, "big")  # met after the long label

    with pytest.raises(NoAnswer, match="recursion"):
        parse_reply(head + record + bytes(ring), 1, NAME)
