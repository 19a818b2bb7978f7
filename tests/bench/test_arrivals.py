"""Requests come when they are due, not when the last answer came."""

import itertools
import random

import pytest

from bench.arrivals import arrivals


def test_the_rate_is_what_was_asked_for() -> None:
    """A generator that is slower than it says flatters whoever it loads."""
    due = list(arrivals(1000.0, 20.0, random.Random(7).random))

    assert len(due) == pytest.approx(20_000, rel=0.03)
    assert due == sorted(due)
    assert due[0] >= 0 and due[-1] < 20.0


def test_gaps_are_as_chance_makes_them() -> None:
    """Exponential: one gap in e is longer than their mean, and their spread is as large as it."""
    due = list(arrivals(1000.0, 50.0, random.Random(11).random))
    gaps = [later - earlier for earlier, later in itertools.pairwise(due)]

    assert sum(gap > 0.001 for gap in gaps) / len(gaps) == pytest.approx(0.368, abs=0.01)
    middle = sum(gaps) / len(gaps)
    spread = (sum((gap - middle) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert spread == pytest.approx(middle, rel=0.05)


def test_a_die_that_shows_zero_is_no_infinity() -> None:
    """`log(0)` would be one; a uniform die over [0, 1) may show 0."""
    rolls = iter([0.0, 0.5, 0.999999])

    assert len(list(arrivals(1000.0, 0.001, lambda: next(rolls)))) == 2
