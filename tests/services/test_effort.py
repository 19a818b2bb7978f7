"""Pretended effort."""

from hypothesis import given
from hypothesis import strategies as st

from services.effort import EFFORT_MAX_RATIO, effort_s


@given(st.floats(min_value=-8, max_value=40))
def test_effort_is_lopsided_around_its_median_and_bounded(dice: float) -> None:
    """A waterfall that looks like life, without a mock that takes for ever."""
    effort = effort_s(0.004, dice)

    assert 0 < effort <= 0.004 * EFFORT_MAX_RATIO
    assert effort_s(0.004, 0.0) == 0.004
    assert (effort > 0.004) == (dice > 0) or abs(dice) < 1e-12
