"""How many phones, when?"""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from loadtest.settings import SHAPES, Shape
from loadtest.shapes import phones_at


@given(st.sampled_from(SHAPES), st.floats(0, 1), st.integers(1, 10_000))
def test_no_shape_ever_has_more_phones_than_asked_for_or_none(shape: Shape, at: float, phones: int) -> None:
    """`--phones` is a promise."""
    assert 1 <= phones_at(shape, at, phones) <= phones


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_ramp_only_rises(one: float, other: float) -> None:
    """Or the step at which it began to hurt could not be read off."""
    assert phones_at("ramp", min(one, other), 100) <= phones_at("ramp", max(one, other), 100)


def test_each_shape_looks_like_its_name() -> None:
    """The pictures in five samples each."""
    samples = [0.0, 0.25, 0.5, 0.8, 1.0]

    assert [phones_at("steady", at, 100) for at in samples] == [100] * 5
    assert [phones_at("ramp", at, 100) for at in samples] == [10, 30, 60, 90, 100]
    assert [phones_at("spike", at, 100) for at in samples] == [20, 20, 100, 20, 20]
    night, morning, noon, evening, midnight = (phones_at("day", at, 100) for at in samples)
    assert night < morning < noon < evening
    assert midnight < noon


def test_a_day_has_no_cliffs() -> None:
    """Unlike a spike: from one minute to the next it changes by a few phones."""
    day = [phones_at("day", minute / 1440, 1000) for minute in range(1441)]

    assert max(abs(one - other) for one, other in itertools.pairwise(day)) <= 10
