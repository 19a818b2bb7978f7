"""Turn by turn."""

from collections import Counter
from itertools import groupby
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.common.balance.policy import Balancer, Target
from edge.common.balance.rotation import RoundRobin, SmoothWeighted
from tests.oracle.balance import smooth_sequence

DICE = Random(1)


def sequence(balancer: Balancer, picks: int, exclude: frozenset[str] = frozenset()) -> str:
    chosen = [balancer.pick(b"", lambda name: 0.0, DICE, exclude) for _ in range(picks)]
    return "".join(choice.name for choice in chosen if choice is not None)


def weighted(**weights: float) -> SmoothWeighted:
    balancer = SmoothWeighted()
    balancer.set_endpoints([Target(name, weight) for name, weight in weights.items()])
    return balancer


def test_five_one_one_is_the_sequence_in_the_textbook() -> None:
    """nginx's own example: the heavy one is spread out, not hit five times in a row."""
    assert sequence(weighted(a=5, b=1, c=1), 14) == "aabacaa" * 2


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_each_gets_exactly_its_weight_in_every_period(weights: list[int]) -> None:
    """Nobody is owed anything at the end of a period, whatever the weights."""
    names = "abcdef"[: len(weights)]
    balancer = weighted(**dict(zip(names, map(float, weights), strict=True)))

    for _ in range(3):
        period = Counter(sequence(balancer, sum(weights)))
        assert period == dict(zip(names, weights, strict=True))


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_the_sequence_is_the_oracles(weights: list[int]) -> None:
    """Credits in the balancer are what exact fractions say is owed."""
    names = "abcdef"[: len(weights)]
    balancer = weighted(**dict(zip(names, map(float, weights), strict=True)))

    expected = "".join(names[n] for n in smooth_sequence(weights, 40))

    assert sequence(balancer, 40) == expected


@given(st.data())
def test_a_set_that_keeps_changing_leaves_no_debt(data: st.DataObject) -> None:
    """Workers come and go; those who stay must not be owed a run of turns for it."""
    balancer = SmoothWeighted()
    for _ in range(data.draw(st.integers(1, 6))):
        here = data.draw(st.sets(st.sampled_from("abcde"), min_size=1))
        balancer.set_endpoints([Target(name, data.draw(st.integers(1, 5))) for name in sorted(here)])
        sequence(balancer, data.draw(st.integers(0, 7)))

    balancer.set_endpoints([Target("a"), Target("b")])

    longest_run = max(len(list(run)) for _, run in groupby(sequence(balancer, 40)))
    assert longest_run <= 4


def test_an_excluded_endpoint_is_skipped_and_owes_nothing_later() -> None:
    """A retry goes elsewhere; the endpoint that failed once is not punished for it."""
    balancer = weighted(a=1, b=1)

    elsewhere = sequence(balancer, 4, exclude=frozenset("a"))
    afterwards = Counter(sequence(balancer, 4))

    assert elsewhere == "bbbb"
    assert afterwards == {"a": 2, "b": 2}


@pytest.mark.parametrize("make", [RoundRobin, SmoothWeighted])
def test_with_nobody_able_there_is_no_choice(make: type[RoundRobin]) -> None:
    """All drained: the caller decides what that means."""
    balancer = make()
    balancer.set_endpoints([Target("a", 0.0)])

    assert balancer.pick(b"", lambda name: 0.0, DICE) is None


def test_round_robin_goes_on_where_it_was_when_the_set_changes() -> None:
    """Starting anew at each change would send every first connection to the same worker."""
    balancer = RoundRobin()
    balancer.set_endpoints([Target("a"), Target("b"), Target("c")])
    first = sequence(balancer, 2)

    balancer.set_endpoints([Target("a"), Target("b"), Target("c"), Target("d")])

    assert first + sequence(balancer, 4) == "abcdab"


def test_a_name_given_twice_is_an_error() -> None:
    """Two endpoints of one name would share their counts."""
    with pytest.raises(ValueError, match="twice"):
        RoundRobin().set_endpoints([Target("a"), Target("a")])
