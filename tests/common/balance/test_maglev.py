"""Hashing that forgets nothing because it remembers nothing."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.common.balance.maglev import BOUND, BoundedMaglev, Maglev, build_table, hash64
from edge.common.balance.policy import Target
from tests.oracle.balance import maglev_table

DICE = Random(1)
PINNED = "212202021200100212011000"  # written down from the first release
PRIMES = [7, 11, 101, 251]
names = st.lists(st.text("abcdefgh", min_size=1, max_size=6), min_size=1, max_size=6, unique=True)


def maglev(count: int, make: type[Maglev] = Maglev) -> Maglev:
    balancer = make()
    balancer.set_endpoints([Target(f"w{n}") for n in range(count)])
    return balancer


def no_load(name: str) -> float:
    return 0.0


def test_the_papers_worked_example() -> None:
    """Table 1 of the paper, which also holds the oracle to its source."""
    permutation = [[3, 0, 4, 1, 5, 2, 6], [0, 2, 4, 6, 1, 3, 5], [3, 4, 5, 6, 0, 1, 2]]

    assert maglev_table(permutation, 7) == [1, 0, 1, 0, 2, 2, 0]
    assert maglev_table([permutation[0], permutation[2]], 7) == [0, 0, 0, 0, 1, 1, 1]


@given(names, st.sampled_from(PRIMES))
def test_the_table_is_the_papers(endpoints: list[str], slots: int) -> None:
    """Same offsets and skips, same table, by the literal pseudocode."""
    permutation = []
    for name in endpoints:
        offset = hash64(name.encode(), b"maglev offset") % slots
        skip = hash64(name.encode(), b"maglev skip") % (slots - 1) + 1
        permutation.append([(offset + j * skip) % slots for j in range(slots)])

    table = build_table([Target(name) for name in endpoints], slots)

    assert list(table) == maglev_table(permutation, slots)


@pytest.mark.parametrize("count", [2, 10, 100])
def test_imbalance_is_what_the_paper_promises(count: int) -> None:
    """At 65537 slots nobody is more than a percent off its fair share."""
    shares = maglev(count).shares()

    assert max(shares.values()) * count < 1.01
    assert min(shares.values()) * count > 0.99


def test_removing_one_of_ten_moves_under_a_percent_of_the_others() -> None:
    """The whole point: who is not concerned stays where they are."""
    balancer = maglev(10)

    owned, moved = balancer.moved_without("w3")

    assert owned == pytest.approx(0.1, rel=0.01)
    assert 0.0 < moved < 0.01


def test_weights_are_shares_of_the_table() -> None:
    """A worker at half weight gets half as many flows."""
    balancer = Maglev()
    balancer.set_endpoints([Target("a", 2.0), Target("b", 1.0), Target("c", 1.0), Target("off", 0.0)])

    assert balancer.shares() == pytest.approx({"a": 0.5, "b": 0.25, "c": 0.25}, rel=0.01)


def test_two_that_never_met_agree() -> None:
    """A standby that was told nothing sends a flow where the primary did."""
    one, other = Maglev(), Maglev()
    one.set_endpoints([Target("a"), Target("b"), Target("c")])
    other.set_endpoints([Target("c"), Target("a"), Target("b")])

    keys = [str(n).encode() for n in range(200)]
    assert [one.pick(k, no_load, DICE) for k in keys] == [other.pick(k, no_load, DICE) for k in keys]


def test_the_table_is_pinned() -> None:
    """Processes of two releases run side by side during a deploy and must agree."""
    balancer = maglev(3)

    chosen = "".join(balancer.pick(str(n).encode(), no_load, DICE).name[1] for n in range(24))  # type: ignore[union-attr]

    assert chosen == PINNED


def test_exclusion_spreads_and_leaves_the_others_alone() -> None:
    """The flows of an excluded worker go to all others, not to one neighbour."""
    balancer = maglev(5)
    keys = [str(n).encode() for n in range(2000)]
    before = {key: balancer.pick(key, no_load, DICE) for key in keys}

    after = {key: balancer.pick(key, no_load, DICE, exclude={"w0"}) for key in keys}

    assert all(after[k].name == before[k].name for k in keys if before[k].name != "w0")  # type: ignore[union-attr]
    inherited = Counter(after[k].name for k in keys if before[k].name == "w0")  # type: ignore[union-attr]
    assert set(inherited) == {"w1", "w2", "w3", "w4"}
    assert max(inherited.values()) < 2 * min(inherited.values())


def test_all_excluded_or_drained_is_nobody() -> None:
    """The caller then has its panic rule."""
    balancer = maglev(2)
    drained = Maglev()
    drained.set_endpoints([Target("a", 0.0)])

    assert balancer.pick(b"x", no_load, DICE, exclude={"w0", "w1"}) is None
    assert drained.pick(b"x", no_load, DICE) is None


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 8), st.integers(1, 400), st.integers(0, 1000))
def test_nobody_exceeds_the_bound(count: int, flows: int, seed: int) -> None:
    """Also when all flows hash to one place: 1.25 times the mean, rounded up, and no more."""
    balancer = BoundedMaglev(slots=251)
    balancer.set_endpoints([Target(f"w{n}") for n in range(count)])
    load: Counter[str] = Counter()

    for _ in range(flows):
        choice = balancer.pick(str(seed).encode(), lambda name: float(load[name]), DICE)
        assert choice is not None
        load[choice.name] += 1

    assert max(load.values()) <= max(1.0, BOUND * flows / count) + 1


def test_a_flapping_endpoint_costs_no_new_table() -> None:
    """Building takes tens of milliseconds in which the process does nothing else."""
    balancer = maglev(3)
    with_all = balancer._table

    balancer.set_endpoints([Target("w0"), Target("w1")])
    balancer.set_endpoints([Target("w0"), Target("w1"), Target("w2")])

    assert balancer._table is with_all
