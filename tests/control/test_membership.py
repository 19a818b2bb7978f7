"""Who lives: what the hub remembers and what it tells the others."""

from edge.common.messages import Ban, Bans, Beat, Member, Members
from edge.control.membership import BANS_MAX, Durable, Membership

FEED = Member(name="feed-1", tier="service", pid=10, service="feed")
L7 = Member(name="l7-mumbai-1", tier="l7", pid=11, pop="mumbai")


def membership(durable: Durable | None = None) -> Membership:
    return Membership(dead_after_s=3.5, durable=durable or Durable())


def ban(network: str, until: float = 100.0) -> Ban:
    return Ban(network=network, until_unix=until, reason="waf")


def test_a_target_is_a_name_a_service_a_tier_a_pop_or_everybody() -> None:
    """`edge drain feed` and `edge drain l7-mumbai-1` mean what they say."""
    who = membership()
    who.join(FEED, 1, 0.0, 0.0)
    who.join(L7, 2, 0.0, 0.0)

    found = {
        word: [m.name for m in who.find(word)] for word in ("feed-1", "feed", "l7", "mumbai", "*", "nobody")
    }

    assert found == {
        "feed-1": ["feed-1"],
        "feed": ["feed-1"],
        "l7": ["l7-mumbai-1"],
        "mumbai": ["l7-mumbai-1"],
        "*": ["feed-1", "l7-mumbai-1"],
        "nobody": [],
    }


def test_a_beat_that_changes_no_decision_is_told_to_nobody() -> None:
    """Twenty processes beat each second; only news travels on."""
    who = membership()
    who.join(FEED, 1, 0.0, 0.0)

    first = who.beat("feed-1", 1, Beat(state="live", address="127.0.0.1:7110"), 1.0)
    second = who.beat("feed-1", 1, Beat(state="live", load={"inflight": 9.0}), 2.0)

    assert first is not None
    assert first.changed[0].address == "127.0.0.1:7110"
    assert second is None
    assert who.members()[0].load == {"inflight": 9.0}


def test_a_frozen_process_is_gone_after_its_missed_beats() -> None:
    """SIGSTOP keeps every socket open, so silence has to count."""
    who = membership()
    who.join(FEED, 1, 0.0, 0.0)

    assert who.expire(3.0, 0.0) == []
    assert who.expire(3.6, 0.0) == [Members(gone=["feed-1"])]
    assert who.beat("feed-1", 1, Beat(state="live"), 4.0) is None


def test_the_late_goodbye_of_an_old_link_removes_nobody() -> None:
    """A process may rejoin before the hub notices that its first link broke."""
    who = membership()
    who.join(FEED, 1, 0.0, 0.0)
    who.join(FEED, 2, 1.0, 1.0)

    assert who.leave("feed-1", 1) is None
    assert who.leave("feed-1", 2) == Members(gone=["feed-1"])


def test_a_drained_name_stays_drained_when_its_process_comes_back() -> None:
    """The operator's word is about the name, not about one pid."""
    who = membership()
    who.join(FEED, 1, 0.0, 0.0)
    who.set_weight(["feed-1"], 0)
    who.leave("feed-1", 1)

    rejoined = who.join(FEED, 2, 1.0, 1.0)
    forgiven = who.set_weight(["feed-1"], 100)

    assert rejoined.changed[0].weight == 0
    assert forgiven.changed[0].weight == 100
    assert who.durable.weights == {}


def test_a_new_hub_names_those_who_did_not_come_back() -> None:
    """A process that died together with the hub must not stay in everybody's lists."""
    before = membership()
    before.join(FEED, 1, 0.0, 0.0)
    before.join(L7, 2, 0.0, 0.0)
    after = membership(before.durable)
    after.begin(10.0)
    after.join(L7, 1, 10.5, 0.0)
    after.beat("l7-mumbai-1", 1, Beat(state="live"), 13.0)

    assert after.expire(11.0, 0.0) == []
    assert after.expire(13.6, 0.0) == [Members(gone=["feed-1"])]


def test_a_ban_ends_by_itself() -> None:
    """Nobody is refused for ever because nobody remembered to forgive."""
    who = membership()
    who.ban([ban("203.0.113.9", until=50.0), ban("203.0.113.10", until=90.0)])

    assert who.expire(0.0, unix_now=49.0) == []
    assert who.expire(0.0, unix_now=51.0) == [Bans(lift=["203.0.113.9"])]
    assert [left.network for left in who.durable.bans] == ["203.0.113.10"]


def test_the_longer_ban_of_one_network_wins() -> None:
    """A second, shorter offence does not shorten the first one's ban."""
    who = membership()

    assert who.ban([ban("a", 90.0)]).add == [ban("a", 90.0)]
    assert who.ban([ban("a", 80.0)]).add == []
    assert who.ban([ban("a", 95.0)]).add == [ban("a", 95.0)]


def test_a_million_offenders_do_not_fill_the_hub() -> None:
    """The list is bounded, and those with the longest sentence stay."""
    who = membership()
    who.ban([ban(str(number), float(number)) for number in range(BANS_MAX + 10)])

    assert len(who.durable.bans) == BANS_MAX
    assert min(left.until_unix for left in who.durable.bans) == 10.0


def test_everybody_can_be_forgiven_at_once() -> None:
    """`edge unban` without a name is the emergency exit."""
    who = membership()
    who.ban([ban("a"), ban("b")])

    assert sorted(who.lift(["*"]).lift) == ["a", "b"]
    assert who.durable.bans == []
