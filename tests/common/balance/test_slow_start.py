"""A newcomer's weight over time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.common.balance.slow_start import factor, next_step_s

ages = st.floats(0, 100, allow_nan=False)


@given(ages, ages)
def test_it_only_rises(one: float, other: float) -> None:
    """A worker that warms up never loses share for it."""
    younger, older = sorted((one, other))

    assert 0 < factor(younger, 30.0) <= factor(older, 30.0) <= 1


@pytest.mark.parametrize(("age_s", "expected"), [(0.0, 0.1), (15.0, 0.5), (29.9, 0.9), (30.0, 1.0)])
def test_half_way_is_half_the_weight(age_s: float, expected: float) -> None:
    """A straight line with a floor."""
    assert factor(age_s, 30.0) == pytest.approx(expected)


def test_no_ramp_is_full_weight_at_once() -> None:
    """The default, and what a pair that fails over needs."""
    assert factor(0.0, 0.0) == 1.0
    assert next_step_s(0.0, 0.0) is None


@given(ages)
def test_between_steps_nothing_changes(age_s: float) -> None:
    """So whoever asks again at the next step has missed nothing."""
    wait = next_step_s(age_s, 30.0)
    if wait is not None and wait > 0.01:
        assert factor(age_s + wait * 0.9, 30.0) == factor(age_s, 30.0)
