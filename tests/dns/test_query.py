"""Which packets are queries, and what becomes of those that are not."""

import struct

import dns.exception
import dns.message
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.dns.query import FORMERR, NOTIMP, Query, Refusal, read_query
from tests.kit.dns_queries import JAIPUR, TRACEPARENT, query

HEADER = struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0)
QUESTION = b"\x01i\x04edge\x04test\0\0\1\0\1"


def with_counts(*counts: int, flags: int = 0x0100) -> bytes:
    return struct.pack("!HHHHHH", 7, flags, *counts)


def opt(options: bytes = b"", *, payload: int = 1232, version: int = 0) -> bytes:
    return b"\0" + struct.pack("!HHIH", 41, payload, version << 16, len(options)) + options


def test_a_query_is_read_with_its_options() -> None:
    """All that an answer may depend on, from bytes that dnspython wrote."""
    message = query("I.eDge.test", "AAAA", subnet=JAIPUR, trace=TRACEPARENT, nsid=True, payload=4096)

    read = read_query(message.to_wire())

    assert isinstance(read, Query)
    assert (read.number, read.kind, read.klass) == (4711, 28, 1)
    assert read.labels == (b"I", b"eDge", b"test"), "as it came"
    assert read.name == (b"i", b"edge", b"test")
    assert read.edns is not None
    assert read.edns.subnet is not None
    assert read.edns.subnet.text() == JAIPUR
    assert read.edns.trace == TRACEPARENT
    assert read.edns.nsid
    assert read.edns.udp_bytes == 4096


def test_a_tiny_buffer_size_means_512() -> None:
    """RFC 6891 section 6.2.3; 0 would truncate every reply."""
    read = read_query(query(payload=0).to_wire())

    assert isinstance(read, Query)
    assert read.edns is not None
    assert read.edns.udp_bytes == 512


@pytest.mark.parametrize("data", [b"", b"\0" * 11, struct.pack("!HHHHHH", 7, 0x8100, 1, 0, 0, 0) + QUESTION])
def test_what_is_no_query_gets_no_reply(data: bytes) -> None:
    """Above all no response: two servers would apologise to each other for ever."""
    assert read_query(data) is None


@pytest.mark.parametrize("opcode", [1, 2, 4, 5, 15])
def test_other_opcodes_are_not_implemented(opcode: int) -> None:
    """NOTIFY and UPDATE are for servers that have something to be told."""
    read = read_query(with_counts(1, 0, 0, 0, flags=opcode << 11) + QUESTION)

    assert isinstance(read, Refusal)
    assert (read.number, read.rcode) == (7, NOTIMP)


MALFORMED = {
    "no question": with_counts(0, 0, 0, 0),
    "two questions": with_counts(2, 0, 0, 0) + QUESTION * 2,
    "an answer in a query": with_counts(1, 1, 0, 0) + QUESTION,
    "the name has no end": HEADER + b"\x01i\x04edge",
    "a label beyond the packet": HEADER + b"\x3fi",
    "the question is cut short": HEADER + QUESTION[:-1],
    "a compressed question": HEADER + b"\xc0\x0c\0\1\0\1",
    "a reserved label type": HEADER + b"\x41" + b"a" * 65 + b"\0\0\1\0\1",
    "a name of 256 bytes": HEADER + (b"\x3f" + b"a" * 63) * 3 + b"\x3e" + b"a" * 62 + b"\0\0\1\0\1",
    "bytes after the question": HEADER + QUESTION + b"!",
    "a missing OPT": with_counts(1, 0, 0, 1) + QUESTION,
    "two OPTs": with_counts(1, 0, 0, 2) + QUESTION + opt() * 2,
    "an OPT with a name": with_counts(1, 0, 0, 1) + QUESTION + b"\x01a" + opt(),
    "an OPT longer than the packet": with_counts(1, 0, 0, 1) + QUESTION + opt(b"\0\0")[:-1],
    "an option longer than its OPT": with_counts(1, 0, 0, 1) + QUESTION + opt(b"\0\x0a\0\x09cookie"),
    "half an option": with_counts(1, 0, 0, 1) + QUESTION + opt(b"\0\x0a\0"),
    "a subnet with stray bits": with_counts(1, 0, 0, 1) + QUESTION + opt(b"\0\x08\0\x08\0\1\x1c\0\xc0\0\2\1"),
    "a subnet with a scope": with_counts(1, 0, 0, 1) + QUESTION + opt(b"\0\x08\0\x08\0\1\x1c\x1c\xc0\0\2\0"),
    "five additional records": with_counts(1, 0, 0, 5) + QUESTION + opt() * 5,
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_malformed_is_refused_by_its_number(data: bytes) -> None:
    """The sender learns that it is to blame; nobody else notices."""
    read = read_query(data)

    assert isinstance(read, Refusal)
    assert (read.number, read.rcode) == (7, FORMERR)
    assert read.why


def test_the_longest_possible_name_is_read() -> None:
    """255 bytes with its root: one less than the refusal above."""
    read = read_query(HEADER + (b"\x3f" + b"a" * 63) * 3 + b"\x3d" + b"a" * 61 + b"\0\0\1\0\1")

    assert isinstance(read, Query)
    assert len(read.labels) == 4


def test_other_additional_records_are_stepped_over() -> None:
    """A signed query (TSIG) is a query; its owner's name may be compressed."""
    record = b"\xc0\x0c" + struct.pack("!HHIH", 250, 255, 0, 3) + b"sig"

    read = read_query(with_counts(1, 0, 0, 2) + QUESTION + opt() + record)

    assert isinstance(read, Query)
    assert read.edns is not None


def test_options_of_a_later_version_are_not_judged() -> None:
    """We answer BADVERS and not FORMERR: they may be well-formed there."""
    read = read_query(with_counts(1, 0, 0, 1) + QUESTION + opt(b"\0", version=1))

    assert isinstance(read, Query)
    assert read.edns is not None
    assert read.edns.version == 1


@given(st.binary(max_size=80))
@example(b"\xc0\x0c" * 20)
def test_any_bytes_are_read_without_raising(tail: bytes) -> None:
    """The port is open to everybody.  Silence is for what is no query; the rest is told by its number."""
    for data in (tail, HEADER + tail, with_counts(1, 0, 0, 1) + QUESTION + tail):
        read = read_query(data)
        is_query = len(data) >= 12 and not data[2] & 0x80
        assert (read is not None) == is_query
        assert read is None or read.number == int.from_bytes(data[:2], "big")


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=4))
def test_whatever_we_read_dnspython_reads_alike(damage: list[tuple[int, int]]) -> None:
    """We may be stricter than it, never of another opinion about the same bytes."""
    data = bytearray(query(subnet=JAIPUR, trace=TRACEPARENT).to_wire())
    for at, value in damage:
        data[at % len(data)] = value

    read = read_query(bytes(data))

    if isinstance(read, Query):
        try:
            theirs = dns.message.from_wire(bytes(data), one_rr_per_rrset=True)
        except dns.exception.DNSException:
            return  # an option's inside that is none of our business
        assert theirs.question[0].name.labels[:-1] == read.labels
        assert (theirs.question[0].rdtype, theirs.question[0].rdclass) == (read.kind, read.klass)
        assert theirs.id == read.number
        assert (read.edns is not None) == (theirs.edns >= 0)
