"""The whole of the name server without a socket."""

import dns.message
import dns.rcode
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.common.config import DnsConfig
from edge.dns import nameserver
from edge.dns.nameserver import NameServer
from tests.kit.dns_queries import CONFIG, EVERYBODY, JAIPUR, TRACEPARENT, explanation, member, query

HOME = "127.0.0.1"


def server(**changes: object) -> NameServer:
    dns_config = msgspec.structs.replace(CONFIG.dns, **changes)
    return NameServer(msgspec.structs.replace(CONFIG, dns=dns_config), "dns-1", HOME, serial=1)


FUZZED = server(queries_per_s_max=1_000_000.0)


def ask(asked: NameServer, message: dns.message.Message, *, now: float = 0.0) -> dns.message.Message:
    outcome = asked.answer(message.to_wire(), HOME, now, over_tcp=False)
    assert outcome.data is not None
    return dns.message.from_wire(outcome.data)


def addresses(reply: dns.message.Message) -> list[str]:
    return sorted(record.to_text() for rrset in reply.answer for record in rrset)


def without(pop: str, tier: str) -> list[str]:
    return [known.name for known in EVERYBODY if (known.pop, known.tier) == (pop, tier)]


def test_jaipur_goes_to_mumbai_and_to_singapore_while_mumbai_is_down() -> None:
    """The promise of this tier, from the hub's words to the bytes of the reply."""
    asked = server()
    asked.learn(EVERYBODY, [])
    before = ask(asked, query(subnet=JAIPUR))

    asked.learn([], without("mumbai", "l7"))
    during = ask(asked, query(subnet=JAIPUR))
    asked.learn([member("l7-mumbai-1")], [])
    after = ask(asked, query(subnet=JAIPUR))

    assert [addresses(reply) for reply in (before, during, after)] == [
        ["127.0.1.1"],
        ["127.0.2.1"],
        ["127.0.1.1"],
    ]
    assert "mumbai at 920 km has no L7 ready" in explanation(during)


def test_with_every_pop_down_all_are_answered() -> None:
    """Better a try than a certain failure."""
    asked = server()
    asked.learn(EVERYBODY, [])
    asked.learn([], [*without("mumbai", "l4"), *without("singapore", "l4")])
    asked.learn([member("l7-mumbai-1", state="draining")], [])

    reply = ask(asked, query(subnet=JAIPUR))

    assert addresses(reply) == ["127.0.1.1", "127.0.2.1"]


def test_a_kept_reply_differs_in_its_number_only() -> None:
    """Fast for the second phone that asks the same, and still its own reply."""
    asked = server()
    first = asked.answer(query(number=1, subnet=JAIPUR).to_wire(), HOME, 0.0, over_tcp=False)

    second = asked.answer(query(number=2, subnet=JAIPUR).to_wire(), HOME, 0.0, over_tcp=False)

    assert first.data is not None
    assert second.data is not None
    assert (first.data[:2], second.data[:2]) == (b"\0\1", b"\0\2")
    assert first.data[2:] == second.data[2:]
    assert second.pop == "mumbai"


def test_a_kept_reply_is_for_its_sender_and_its_transport() -> None:
    """Another address may be another city; TCP has more room."""
    asked = server()
    packet = query().to_wire()

    here = asked.answer(packet, HOME, 0.0, over_tcp=False)
    there = asked.answer(packet, "203.0.113.33", 0.0, over_tcp=False)

    assert (here.pop, there.pop) == ("mumbai", "singapore")


def test_the_memory_is_bounded_and_holds_no_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each traced query is another packet; keeping them would push out all others."""
    asked = server()
    for number in range(64):
        asked.answer(query(trace=TRACEPARENT[:-1] + str(number).encode()).to_wire(), HOME, 0.0, over_tcp=True)
    assert len(asked._memo) == 0

    monkeypatch.setattr(nameserver, "MEMO_MAX", 16)
    for number in range(40):
        asked.answer(query().to_wire(), f"10.0.0.{number}", 0.0, over_tcp=True)
    assert 0 < len(asked._memo) <= 16


def test_news_that_changes_nothing_leaves_kept_replies_alone() -> None:
    """A feed process that restarts must not empty the name server's memory."""
    asked = server()
    asked.learn(EVERYBODY, [])
    ask(asked, query(subnet=JAIPUR))

    asked.learn([member("service-x-1", tier="service", pop="")], [])
    kept = len(asked._memo)
    asked.learn([], without("mumbai", "l7"))

    assert (kept, len(asked._memo)) == (1, 0)


def test_a_network_above_its_rate_is_sent_to_tcp() -> None:
    """Half of what is too much slips through truncated, with the number of its own query."""
    asked = server(queries_per_s_max=1.0)
    outcomes = [
        asked.answer(query(number=number).to_wire(), HOME, 0.0, over_tcp=False) for number in range(1, 5)
    ]
    slipped = outcomes[1].data
    over_tcp = asked.answer(query().to_wire(), HOME, 0.0, over_tcp=True)

    assert [outcome.fate for outcome in outcomes] == ["default", "slipped", "dropped", "slipped"]
    assert slipped is not None
    assert slipped[:2] == b"\0\2"
    assert slipped[2] & 0x02, "TC"
    assert over_tcp.fate == "default"


def test_a_refusal_counts_towards_the_rate_too() -> None:
    """FORMERR can be aimed at a victim as well as any other reply."""
    asked = server(queries_per_s_max=1.0)

    fates = [asked.answer(b"\0" * 12, HOME, 0.0, over_tcp=False).fate for _ in range(3)]

    assert fates == ["formerr", "dropped", "dropped"]


def test_responses_are_never_answered() -> None:
    """Two servers must not talk to each other."""
    reply = query().to_wire()
    response = reply[:2] + bytes([reply[2] | 0x80]) + reply[3:]

    assert server().answer(response, HOME, 0.0, over_tcp=False).data is None


def test_a_new_configuration_is_answered_by_at_once() -> None:
    """Also what was kept under the old one."""
    asked = server()
    ask(asked, query(subnet=JAIPUR))

    asked.configure(msgspec.structs.replace(CONFIG, pop=CONFIG.pop[1:], dns=DnsConfig(ttl_s=5)), serial=2)
    reply = ask(asked, query(subnet=JAIPUR))

    assert addresses(reply) == ["127.0.2.1"]
    assert reply.answer[0].ttl == 5
    assert ask(asked, query("mumbai.edge.test")).rcode() == dns.rcode.NXDOMAIN


def test_a_configuration_of_nonsense_changes_nothing() -> None:
    """The checker refuses it earlier; a hub of another version might not."""
    asked = server()

    with pytest.raises(ValueError):
        asked.configure(msgspec.structs.replace(CONFIG, dns=DnsConfig(cities={"atlantis": "::/0"})), serial=2)

    assert addresses(ask(asked, query(subnet=JAIPUR))) == ["127.0.1.1"]


def test_the_table_tells_what_a_person_asks() -> None:
    """Plain values for `edge dig`: every POP as seen from a place."""
    asked = server()
    asked.learn(EVERYBODY, without("mumbai", "l4"))

    table = asked.table(city="jaipur")

    assert msgspec.msgpack.decode(msgspec.msgpack.encode(table)) == table
    assert (table["zone"], table["domain"], table["city"], table["ttl_s"]) == (
        "edge.test",
        "i.edge.test",
        "Jaipur",
        20,
    )
    assert table["ipv6"] is None
    assert [(row["pop"], row["healthy"]) for row in table["ipv4"]["pops"]] == [
        ("mumbai", False),
        ("singapore", True),
    ]
    assert asked.table(subnet="203.0.113.32/28")["ipv4"]["chosen"] == ["singapore"]
    assert asked.table()["ipv4"]["reason"] == "backup"
    assert server().table()["ipv4"]["reason"] == "default"


@given(st.binary(max_size=120), st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=6))
def test_no_packet_raises_and_every_reply_is_dns(data: bytes, damage: list[tuple[int, int]]) -> None:
    """Random bytes, and good queries that were damaged."""
    asked = FUZZED
    packet = bytearray(query(subnet=JAIPUR, nsid=True, trace=TRACEPARENT).to_wire())
    for at, value in damage:
        packet[at % len(packet)] = value
    for attempt in (data, bytes(packet)):
        for over_tcp in (False, True):
            outcome = asked.answer(attempt, HOME, 0.0, over_tcp=over_tcp)
            if outcome.data is not None:
                reply = dns.message.from_wire(outcome.data, ignore_trailing=False)
                assert reply.id == int.from_bytes(attempt[:2], "big")
