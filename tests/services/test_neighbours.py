"""Finding the other services."""

from edge.common.config import Config, ServiceConfig
from edge.common.messages import Member
from services.neighbours import RETURN_S, Neighbours
from tests.kit.services import member

CONFIG = Config(
    service=(ServiceConfig(name="story", instances=2, port=7120), ServiceConfig(name="ads", port=0))
)
FIXED = [("127.0.0.1", 7120), ("127.0.0.1", 7121)]


def test_before_the_hubs_first_word_the_fixed_ports_count() -> None:
    """A service must work while the hub is being restarted."""
    neighbours = Neighbours(CONFIG)

    assert neighbours.addresses("story") == FIXED
    assert neighbours.pick("ads") is None
    assert neighbours.pick("unheard-of") is None


def test_the_hubs_word_replaces_them() -> None:
    """Tests and scaled services live on any port."""
    neighbours = Neighbours(CONFIG)

    neighbours.update([member("story", "127.0.0.1:4000"), member("ads", "127.0.0.1:4001")])

    assert neighbours.addresses("story") == [("127.0.0.1", 4000)]
    assert neighbours.pick("ads") == ("127.0.0.1", 4001)


def test_who_drains_is_dead_or_weighs_nothing_is_not_asked() -> None:
    """A drained instance finishes what it has and gets nothing new."""
    neighbours = Neighbours(CONFIG)

    neighbours.update(
        [
            member("story", "127.0.0.1:1", name="story-1", state="draining"),
            member("story", "127.0.0.1:2", name="story-2", state="dead"),
            member("story", "127.0.0.1:3", name="story-3", weight=0),
            member("story", "", name="story-4"),
            member("story", "127.0.0.1:5", name="story-5"),
        ]
    )

    assert neighbours.addresses("story") == [("127.0.0.1", 5)]


def test_when_nobody_is_live_the_fixed_ports_are_better_than_nothing() -> None:
    """The hub may be wrong; asking costs a refused connection."""
    neighbours = Neighbours(CONFIG)

    neighbours.update([member("story", "127.0.0.1:1", state="dead")])

    assert neighbours.addresses("story") == FIXED


def test_turns_are_taken_and_the_excluded_skipped() -> None:
    """Round robin; the second try goes elsewhere or nowhere."""
    neighbours = Neighbours(CONFIG)

    assert [neighbours.pick("story") for _ in range(4)] == FIXED * 2
    assert neighbours.pick("story", exclude=[FIXED[0]]) == FIXED[1]
    assert neighbours.pick("story", exclude=FIXED) is None


def test_new_ports_come_with_a_new_configuration() -> None:
    """A reload moves a service without a restart of the others."""
    neighbours = Neighbours(CONFIG)

    neighbours.reconfigure(Config(service=(ServiceConfig(name="ads", port=9),)))

    assert neighbours.pick("ads") == ("127.0.0.1", 9)
    assert neighbours.pick("story") is None


def test_a_service_whose_last_copy_just_left_returns_soon() -> None:
    """It is being replaced: a caller with time left waits instead of failing."""
    neighbours = Neighbours(Config())
    alive = Member(
        name="user-1", tier="service", service="user", state="live", address="127.0.0.1:7140", pid=1
    )
    neighbours.update([alive], now=1.0)
    before = neighbours.returns_soon("user", 1.5)
    neighbours.update([], now=2.0)

    assert not before
    assert neighbours.returns_soon("user", 2.5)
    assert not neighbours.returns_soon("user", 2.0 + RETURN_S)
    assert not neighbours.returns_soon("ads", 2.5)
    neighbours.update([alive], now=3.0)
    assert not neighbours.returns_soon("user", 3.1)
