"""The bytes of a reply, as dnspython reads them."""

from typing import Any

import dns.flags
import dns.message
import dns.rcode
from hypothesis import given
from hypothesis import strategies as st

from edge.dns.answer import AAAA, TXT, A, Answer, Record
from edge.dns.query import Query, Refusal, read_query
from edge.dns.reply import encode, refuse, room, truncate
from edge.dns.zone import make_zone
from tests.kit.dns_queries import CONFIG, JAIPUR, explanation, query, scope

ZONE = make_zone(CONFIG, "127.0.0.1", serial=9)
WHY = "from Jaipur: mumbai at 920 km"


def read(*args: Any, **kwargs: Any) -> Query:
    value = read_query(query(*args, **kwargs).to_wire())
    assert isinstance(value, Query)
    return value


def reply(asked: Query, answer: Answer, *, over_tcp: bool = False) -> dns.message.Message:
    return dns.message.from_wire(encode(asked, answer, ZONE, "dns-1", over_tcp))


def addresses(asked: Query, count: int) -> Answer:
    records = tuple(Record(asked.labels, A, 20, f"127.0.9.{n}") for n in range(count))
    return Answer(0, "all-down", records, scope_bits=28, why=WHY)


def test_a_reply_repeats_the_question_letter_by_letter() -> None:
    """Resolvers hide a nonce in the capitals (0x20) and drop what comes back changed."""
    asked = read("I.eDGe.TesT")

    data = encode(asked, addresses(asked, 1), ZONE, "dns-1", over_tcp=False)

    message = dns.message.from_wire(data)
    assert message.question[0].name.to_text() == "I.eDGe.TesT."
    assert message.answer[0].name.to_text() == "I.eDGe.TesT."
    assert data.count(b"eDGe") == 1, "the owner points at the question"


def test_flags_say_authority_and_no_recursion() -> None:
    """AA and RD are ours and theirs; RA would promise what we refuse."""
    asked = read()

    message = reply(asked, addresses(asked, 1))

    assert dns.flags.to_text(message.flags) == "QR AA RD"
    assert message.id == 4711
    assert not dns.flags.AA & reply(asked, Answer(5, "refused")).flags


def test_the_opt_answers_what_was_asked_and_no_more() -> None:
    """Scope to whoever sent a subnet, a name to whoever asked for one, the reason to both."""
    plain, located, bare = read(nsid=True), read(subnet=JAIPUR), read(edns=None)

    assert reply(bare, addresses(bare, 1)).edns == -1
    assert scope(reply(plain, addresses(plain, 1))) is None
    assert explanation(reply(plain, addresses(plain, 1))) == ""
    assert [option.to_wire() for option in reply(plain, addresses(plain, 1)).options] == [b"dns-1"]
    assert scope(reply(located, addresses(located, 1))) == 28
    assert explanation(reply(located, addresses(located, 1))) == WHY


def test_a_no_carries_the_soa() -> None:
    """With the TTL for which it may be kept, at the apex as the phone spelled it."""
    message = reply(read("nobody.EDGE.test"), Answer(3, "nxdomain", soa=True))

    (soa,) = message.authority
    assert soa.name.to_text() == "EDGE.test."
    assert soa.ttl == 20
    assert (soa[0].serial, soa[0].minimum, soa[0].mname.to_text()) == (9, 20, "ns1.edge.test.")


def test_an_extended_code_is_cut_in_two() -> None:
    """BADVERS is 16: its upper bits stand in the OPT record."""
    assert reply(read(edns=1), Answer(16, "badvers")).rcode() == dns.rcode.BADVERS


def test_other_records_are_written_too() -> None:
    """AAAA and TXT."""
    asked = read("id.server", "TXT", klass="CH")
    text = reply(asked, Answer(0, "identity", (Record(asked.labels, TXT, 0, "dns-1", 3),)))
    six = read(kind="AAAA")
    address = reply(six, Answer(0, "nearest", (Record(six.labels, AAAA, 20, "2001:db8::1"),)))

    assert text.answer[0].to_text().endswith('CH TXT "dns-1"')
    assert address.answer[0][0].to_text() == "2001:db8::1"


def test_what_does_not_fit_is_truncated_and_fits_over_tcp() -> None:
    """512 bytes without EDNS; the phone comes back with all the room there is."""
    asked = read(edns=None)

    over_udp, over_tcp = reply(asked, addresses(asked, 40)), reply(asked, addresses(asked, 40), over_tcp=True)

    assert over_udp.flags & dns.flags.TC
    assert over_udp.answer == []
    assert not over_tcp.flags & dns.flags.TC
    assert len(over_tcp.answer[0]) == 40


def test_the_explanation_goes_before_the_answer_does() -> None:
    """RFC 8914 section 3: it must not be what truncates a reply."""
    asked = read(subnet=JAIPUR, payload=512)

    message = reply(asked, addresses(asked, 27))

    assert explanation(message) == ""
    assert len(message.answer[0]) == 27


def test_nobody_gets_more_over_udp_than_an_unfragmented_packet() -> None:
    """Whatever buffer is claimed: fragments are lost, and forged."""
    assert room(read(payload=65_000), over_tcp=False) == 1232
    assert room(read(edns=None), over_tcp=False) == 512
    assert room(read(payload=700), over_tcp=False) == 700


def test_a_refusal_is_a_header() -> None:
    """Not larger than what it refuses."""
    data = refuse(Refusal(7, 0x0100, 1, "why"))

    assert data == b"\0\x07\x81\x01" + bytes(8)


def test_a_truncated_reply_asks_for_tcp() -> None:
    """And nothing else."""
    message = dns.message.from_wire(truncate(read(subnet=JAIPUR), "dns-1"))

    assert message.flags & dns.flags.TC
    assert message.answer == []


@given(st.integers(0, 60), st.booleans(), st.booleans(), st.integers(0, 5000))
def test_no_reply_is_larger_than_its_room(count: int, with_edns: bool, over_tcp: bool, payload: int) -> None:
    """Truncated or whole, dnspython reads it, and it keeps to what was offered."""
    asked = read(subnet=JAIPUR, payload=payload) if with_edns else read(edns=None)

    data = encode(asked, addresses(asked, count), ZONE, "dns-1", over_tcp)

    assert len(data) <= room(asked, over_tcp)
    message = dns.message.from_wire(data)
    whole = sum(len(rrset) for rrset in message.answer) == count
    assert whole or message.flags & dns.flags.TC
