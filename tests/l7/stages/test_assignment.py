"""The same key, the same group."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from edge.l7.stages.assignment import group_at, place

KEYS = [str(number) for number in range(10_000)]


def test_places_are_uniform_and_salts_independent() -> None:
    """Being in one experiment says nothing about another."""
    tenths = Counter(int(place("a", key) * 10) for key in KEYS)
    both = sum(place("a", key) < 0.5 and place("b", key) < 0.5 for key in KEYS)

    assert all(900 < tenths[tenth] < 1100 for tenth in range(10))
    assert 2350 < both < 2650
    assert place("a", "7") == place("a", "7")


def test_a_changed_percentage_moves_only_those_near_the_border() -> None:
    """From 10 to 20 percent: nobody leaves the treatment, a tenth joins."""
    before = {key: group_at({"treatment": 10, "control": 90}, place("a", key)) for key in KEYS}
    after = {key: group_at({"treatment": 20, "control": 80}, place("a", key)) for key in KEYS}

    left = [key for key in KEYS if before[key] == "treatment" and after[key] == "control"]
    joined = [key for key in KEYS if before[key] == "control" and after[key] == "treatment"]

    assert not left
    assert 900 < len(joined) < 1100


@given(
    st.dictionaries(st.sampled_from("abcd"), st.floats(0, 100), max_size=4),
    st.floats(0, 1, exclude_max=True),
)
def test_somebody_is_chosen_and_never_one_of_weight_zero(weights: dict[str, float], where: float) -> None:
    """A stopped canary gets nobody."""
    group = group_at(weights, where)

    if sum(weights.values()) > 0:
        assert weights[group] > 0
    else:
        assert group == ""
