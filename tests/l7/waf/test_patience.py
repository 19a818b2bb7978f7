"""What the loop may lose by trying inspections itself is bounded, whoever attacks."""

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.l7.waf.patience import POOR_BYTES_MAX, POOR_TRIAL_S, SHARE, TRIAL_S, Patience
from tests.kit.effort import examples


class Clock:
    """Moved by the test."""

    now = 100.0


def tried(patience: Patience, clock: Clock, size: int) -> float:
    """The time of a trial in vain, which takes exactly as long as it may."""
    limit_s = patience.limit_s(size, clock.now)
    began = clock.now
    clock.now += limit_s
    if limit_s:
        patience.lost(began, clock.now)
    return limit_s


def test_who_comes_in_peace_gets_the_full_time() -> None:
    """4 kB of JSON now and then are no attack."""
    clock = Clock()
    patience = Patience(clock.now)

    first = tried(patience, clock, 4096)
    clock.now += TRIAL_S / SHARE

    assert first == TRIAL_S
    assert tried(patience, clock, 4096) == TRIAL_S


def test_after_a_trial_in_vain_long_text_is_not_tried() -> None:
    """It would be given up as well, and ordinary requests are shorter."""
    clock = Clock()
    patience = Patience(clock.now)
    tried(patience, clock, 4096)

    assert patience.limit_s(POOR_BYTES_MAX + 1, clock.now) == 0.0
    assert patience.limit_s(POOR_BYTES_MAX, clock.now) == POOR_TRIAL_S


def test_trials_that_succeed_cost_nothing() -> None:
    """Inspecting ordinary requests is what the loop is for."""
    clock = Clock()
    patience = Patience(clock.now)

    for _ in range(100):
        clock.now += patience.limit_s(500, clock.now)

    assert patience.limit_s(500, clock.now) == TRIAL_S


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8192), st.floats(0.0, 0.02)), max_size=60))
def test_no_attack_makes_the_loop_lose_more_than_a_tenth_on_long_text(
    requests: list[tuple[int, float]],
) -> None:
    """A burst of a hundred hostile bodies at once cost the loop a hundred times two milliseconds."""
    clock = Clock()
    patience = Patience(clock.now)
    began, lost_s = clock.now, 0.0
    for size, pause_s in requests:
        cost_s = tried(patience, clock, size)
        if size > POOR_BYTES_MAX:
            lost_s += cost_s
        clock.now += pause_s

    assert lost_s <= TRIAL_S + SHARE * (clock.now - began) + 1e-9
