"""A process's view of the others, with and without a hub."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edge.common import revision
from edge.common.config import Config
from edge.common.link import BACKOFF_MAX_S, LinkState, backoff_s
from edge.common.messages import Ask, Ban, Bans, Command, Member, Members, Refused, Revision, Welcome

ME = Member(name="l7-mumbai-1", tier="l7", pid=1)
FEED = Member(name="feed-1", tier="service", pid=2, service="feed", state="live", address="127.0.0.1:7110")
BAN = Ban(network="203.0.113.9", until_unix=100.0, reason="waf")


def link() -> LinkState:
    return LinkState(ME, outbox_frames_max=3)


def welcome(*members: Member, bans: list[Ban] | None = None) -> Welcome:
    return Welcome(version=1, hub_started_unix=0.0, revision="r", members=list(members), bans=bans or [])


def test_a_new_hub_that_knows_nobody_yet_empties_no_cluster() -> None:
    """Static stability: the hub's death and return must not cost one request."""
    state = link()
    state.receive(welcome(FEED))

    state.receive(welcome())

    assert state.members == {"feed-1": FEED}


def test_a_member_that_the_hub_has_seen_die_is_forgotten() -> None:
    """Otherwise requests would go to a dead endpoint until its health check fails."""
    state = link()
    heard: list[tuple[list[Member], list[str]]] = []
    state.receive(welcome(FEED))
    state.on_members(lambda changed, gone: heard.append((changed, gone)))

    state.receive(Members(gone=["feed-1"]))

    assert state.members == {}
    assert heard == [([FEED], []), ([], ["feed-1"])]


def test_bans_are_added_renewed_and_lifted() -> None:
    """One network has one ban; the newest word on it counts."""
    state = link()
    longer = Ban(network=BAN.network, until_unix=200.0, reason="again")

    state.receive(welcome(bans=[BAN]))
    state.receive(Bans(add=[longer]))
    after_renewal = list(state.bans)
    state.receive(Bans(lift=[BAN.network]))

    assert after_renewal == [longer]
    assert state.bans == []


def test_reports_wait_for_the_hub_within_bounds() -> None:
    """An hour without a hub must not fill a worker's memory; the newest reports matter most."""
    state = link()

    for number in range(5):
        state.report("event", number)

    assert [report.value for report in state.take_outbox()] == [2, 3, 4]
    assert state.dropped_reports == 2
    assert state.take_outbox() == []


def test_a_revision_reaches_every_handler_as_values() -> None:
    """No handler parses anything; the member says which revision it serves under."""
    state = link()
    seen: list[tuple[Config, str]] = []
    config = Config(domain="i.example.test")
    state.on_revision(lambda new, name: seen.append((new, name)))

    state.receive(Revision(revision="abc", config=revision.encode(config)))

    assert seen == [(config, "abc")]
    assert state.beat().revision == "abc"


def test_commands_and_questions_are_handed_back_to_the_shell() -> None:
    """The keeper decides nothing about them: answering may await."""
    state = link()
    state.on_ask("stats", lambda args: {"n": args["n"]})
    command: Any = Command(id="1", target="*", action="drain")
    ask = Ask(id="2", topic="stats", args={"n": 3})

    assert state.receive(command) is command
    assert state.receive(ask) is ask
    assert state.answer(ask) == {"n": 3}
    assert state.answer(Ask(id="3", topic="unheard-of")) is None


def test_a_refusal_is_remembered_for_the_log() -> None:
    """A process of another version must say why it cannot join."""
    state = link()
    state.receive(Refused(reason="version"))

    assert state.refused == "version"


@given(attempt=st.integers(0, 10_000), dice=st.floats(0, 1, exclude_max=True))
def test_back_off_is_bounded_and_never_zero(attempt: int, dice: float) -> None:
    """Twenty processes spread out, and none waits for minutes."""
    assert 0 < backoff_s(attempt, dice) <= BACKOFF_MAX_S
