"""How many of which."""

import pytest

from edge.common.config import Config, Place, PopConfig, ServiceConfig
from edge.common.errors import ConfigError
from edge.supervise.formation import formation
from edge.supervise.scale import kinds, scaled, tier_of

HERE = Place(north=0.0, east=0.0)
CONFIG = Config(
    pop=(
        PopConfig(name="mumbai", address="127.0.1.1", place=HERE, l7=2),
        PopConfig(name="chennai", address="127.0.3.1", place=HERE, enabled=False),
    ),
    service=(
        ServiceConfig(name="feed", instances=2, port=7110),
        ServiceConfig(name="story", instances=1, port=7113),
    ),
)


def test_services_and_workers_can_be_scaled() -> None:
    """What has a number behind its name, and is switched on."""
    assert kinds(CONFIG) == {"feed": 2, "story": 1, "l7-mumbai": 2}
    assert [tier_of(kind, CONFIG) for kind in kinds(CONFIG)] == ["service", "service", "l7"]


def test_a_new_number_makes_or_takes_the_last_ones() -> None:
    """So the others keep their names, and whoever speaks of feed-1 means the same process."""
    more = {spec.name for spec in formation(scaled(CONFIG, {"feed": 3, "l7-mumbai": 1}))}
    before = {spec.name for spec in formation(CONFIG)}

    assert more - before == {"feed-3"}
    assert before - more == {"l7-mumbai-2"}


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"fed": 1}, "'fed' is none of feed, story, l7-mumbai"),
        ({"l7-chennai": 2}, "'l7-chennai' is none of"),
        ({"feed": 0}, "0 of feed: from 1 to 64"),
        ({"feed": 65}, "65 of feed: from 1 to 64"),
        ({"feed": 4}, "127.0.0.1:7113 is already the address of feed-4"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_starts(wanted: dict[str, int], why: str) -> None:
    """A process on another one's port would crash and be restarted for ever."""
    with pytest.raises(ConfigError) as caught:
        scaled(CONFIG, wanted)

    assert any(why in problem for problem in caught.value.problems), caught.value.problems
