"""The least loaded, and the idler of two."""

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from edge.common.balance.least import LeastConnections, TwoChoices, draw_two
from edge.common.balance.policy import NOBODY, Target
from tests.oracle.balance import least_loaded

NAMES = "abcde"
loads_and_weights = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 4)), min_size=len(NAMES), max_size=len(NAMES)
)


@given(loads_and_weights, st.sets(st.sampled_from(NAMES)))
def test_nobody_has_less_to_do_than_the_chosen_one(
    numbers: list[tuple[int, int]], excluded: set[str]
) -> None:
    """Least connections means least, weights and exclusions included."""
    loads = {name: float(load) for name, (load, _) in zip(NAMES, numbers, strict=True)}
    weights = {name: float(weight) for name, (_, weight) in zip(NAMES, numbers, strict=True)}
    balancer = LeastConnections()
    balancer.set_endpoints([Target(name, weight) for name, weight in weights.items()])

    choice = balancer.pick(b"", lambda name: loads[name], Random(1), excluded)

    allowed = {name: weight for name, weight in weights.items() if name not in excluded}
    fair = least_loaded(loads, allowed)
    assert (choice is None) if not fair else (choice is not None and choice.name in fair)


def test_idle_endpoints_share_what_little_there_is() -> None:
    """With ties going to the first, one worker would do all the work of a quiet edge."""
    balancer = LeastConnections()
    balancer.set_endpoints([Target("a"), Target("b"), Target("c")])

    chosen = Counter(balancer.pick(b"", lambda name: 0.0, Random(1)).name for _ in range(9))  # type: ignore[union-attr]

    assert chosen == {"a": 3, "b": 3, "c": 3}


def test_two_choices_never_takes_the_busier_of_its_two() -> None:
    """With two candidates both are drawn, so the idle one always wins."""
    balancer = TwoChoices()
    balancer.set_endpoints([Target("busy"), Target("idle")])
    dice = Random(1)

    chosen = {balancer.pick(b"", lambda name: float(name == "busy"), dice) for _ in range(50)}

    assert {choice.name for choice in chosen if choice} == {"idle"}


def test_two_choices_keeps_the_fullest_near_the_mean() -> None:
    """Why two: one random choice would leave the fullest about a third above the mean here."""
    balancer = TwoChoices()
    names = [f"w{n}" for n in range(10)]
    balancer.set_endpoints([Target(name) for name in names])
    load: Counter[str] = Counter()
    dice = Random(7)

    for _ in range(1000):
        choice = balancer.pick(b"", lambda name: float(load[name]), dice)
        assert choice is not None
        load[choice.name] += 1

    assert max(load.values()) <= 104


@given(st.integers(0, 6), st.randoms(use_true_random=False))
def test_the_two_drawn_are_distinct(count: int, dice: Random) -> None:
    """Comparing an endpoint with itself is one choice, not two."""
    drawn = draw_two([Target(str(n)) for n in range(count)], dice, NOBODY)

    assert (drawn is None) == (count == 0)
    if drawn is not None:
        assert (drawn[1] is None) == (count == 1)
        assert drawn[0] != drawn[1]


def test_every_pair_is_drawn_equally_often() -> None:
    """A bias here is a worker that stays idle."""
    dice = Random(3)
    targets = [Target(name) for name in "abc"]
    pairs = Counter(frozenset(draw_two(targets, dice, NOBODY) or ()) for _ in range(6000))

    assert len(pairs) == 3
    assert all(1800 < count < 2200 for count in pairs.values())
