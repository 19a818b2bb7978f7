"""Which POP, and why."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.common.config import Place, PopConfig
from edge.common.places import CITIES, distance_km
from edge.dns.health import Health
from edge.dns.steer import Steering
from tests.kit.dns_queries import MUMBAI, SINGAPORE

UP, DOWN = Health(True, "1 L4 and 1 L7 ready"), Health(False, "no L7 ready")
JAIPUR, SYDNEY, LONDON = CITIES["jaipur"], CITIES["sydney"], CITIES["london"]
POPS = st.lists(
    st.builds(
        lambda north, east, healthy: (Place(north=north, east=east), healthy),
        st.floats(-90, 90),
        st.floats(-180, 180),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


@pytest.mark.parametrize(("city", "pop"), [(JAIPUR, "mumbai"), (LONDON, "mumbai"), (SYDNEY, "singapore")])
def test_a_phone_is_sent_to_the_nearest_pop(city: object, pop: str) -> None:
    """With all well, only distance counts."""
    choice = Steering([MUMBAI, SINGAPORE], {}).choose(city)  # type: ignore[arg-type]

    assert choice is not None
    assert [candidate.pop for candidate in choice.chosen] == [pop]
    assert choice.reason == "nearest"


def test_the_backup_is_named_with_the_reason() -> None:
    """`edge dig` prints this sentence; it has to say what was wrong with the nearer one."""
    choice = Steering([MUMBAI, SINGAPORE], {"mumbai": DOWN, "singapore": UP}).choose(JAIPUR)

    assert choice is not None
    assert [candidate.pop for candidate in choice.chosen] == ["singapore"]
    assert choice.reason == "backup"
    assert choice.why == "from Jaipur: singapore at 4,126 km; mumbai at 920 km has no L7 ready"


def test_when_none_is_healthy_all_are_answered() -> None:
    """We may be wrong, and a phone that tries loses nothing."""
    choice = Steering([SINGAPORE, MUMBAI], {"mumbai": DOWN, "singapore": DOWN}).choose(JAIPUR)

    assert choice is not None
    assert [candidate.pop for candidate in choice.chosen] == ["mumbai", "singapore"]
    assert choice.reason == "all-down"


def test_a_phone_from_nowhere_gets_the_first_of_the_configuration() -> None:
    """And the next one when that is down."""
    well = Steering([MUMBAI, SINGAPORE], {}).choose(None)
    sick = Steering([MUMBAI, SINGAPORE], {"mumbai": DOWN, "singapore": UP}).choose(None)

    assert well is not None
    assert sick is not None
    assert (well.chosen[0].pop, well.reason) == ("mumbai", "default")
    assert (sick.chosen[0].pop, sick.reason) == ("singapore", "backup")
    assert well.chosen[0].distance_km is None


def test_without_pops_there_is_no_choice() -> None:
    """An edge without an IPv6 POP has no AAAA to give."""
    assert Steering([], {}).choose(JAIPUR) is None


@given(POPS, st.sampled_from(sorted(CITIES.values(), key=lambda city: city.name)))
def test_no_healthy_pop_is_nearer_than_the_chosen(pops: list[tuple[Place, bool]], city: object) -> None:
    """The promise itself, against brute force."""
    named = [
        PopConfig(name=f"p{n}", address=f"127.0.9.{n}", place=place) for n, (place, _) in enumerate(pops)
    ]
    health = {pop.name: UP if healthy else DOWN for pop, (_, healthy) in zip(named, pops, strict=True)}

    choice = Steering(named, health).choose(city)  # type: ignore[arg-type]

    assert choice is not None
    healthy = [pop for pop in named if health[pop.name].healthy]
    distances = {pop.name: distance_km(city.place, pop.place) for pop in named}  # type: ignore[attr-defined]
    if healthy:
        assert len(choice.chosen) == 1
        assert health[choice.chosen[0].pop].healthy
        assert distances[choice.chosen[0].pop] == min(distances[pop.name] for pop in healthy)
    else:
        assert {candidate.pop for candidate in choice.chosen} == set(distances)
    in_order = [distances[candidate.pop] for candidate in choice.candidates]
    assert all(one <= other for one, other in itertools.pairwise(in_order))
