"""Rise, fall, and when to ask again."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from edge.common.config import HealthConfig
from edge.l4.probe import Probe

CONFIG = HealthConfig(interval_s=2.0, fast_interval_s=0.5, timeout_s=1.0, rise=2, fall=3, jitter=0.0)


def probe(now: float = 0.0, config: HealthConfig = CONFIG) -> Probe:
    return Probe(config, now, Random(1))


def test_one_success_is_enough_to_begin_with() -> None:
    """A worker that has just come up should not wait for a second question."""
    fresh = probe()

    assert not fresh.well
    assert fresh.answered(0.0)
    assert fresh.well


def test_three_failures_in_a_row_make_it_unwell_and_two_successes_well() -> None:
    """One lost answer is nothing; one lucky answer is nothing either."""
    known = probe()
    known.answered(0.0)

    changes = [known.failed(1.0), known.failed(2.0), known.failed(3.0)]
    recovery = [known.answered(4.0), known.answered(5.0)]

    assert changes == [False, False, True]
    assert recovery == [False, True]


def test_a_success_in_between_starts_the_count_anew() -> None:
    """In a row means in a row."""
    known = probe()
    known.answered(0.0)

    for _ in range(5):
        known.failed(1.0)
        known.failed(1.0)
        known.answered(1.0)

    assert known.well


def test_the_first_failure_shortens_the_interval_until_it_is_settled() -> None:
    """An outage is certain after 2 x 0.5 s instead of 2 x 2 s."""
    known = probe()
    known.answered(0.0)
    calm = known.next_deadline()
    known.failed(2.0)
    doubtful = known.next_deadline()
    known.failed(2.5)
    known.failed(3.0)
    down = known.next_deadline()

    assert (calm, doubtful, down) == (2.0, 2.5, 5.0)


def test_an_answer_that_is_overdue_is_a_failure() -> None:
    """A frozen worker answers nothing at all."""
    known = probe()
    known.answered(0.0)
    for _ in range(3):
        at = known.next_deadline()
        assert known.due(at)
        known.asked(at)
        assert not known.due(at + 0.5)
        changed = known.expire(at + 1.0)

    assert changed
    assert not known.well


@given(st.integers(0, 2**32))
def test_first_questions_and_intervals_are_spread(seed: int) -> None:
    """A hundred probes that were made together must not fire together."""
    config = HealthConfig(interval_s=2.0, jitter=0.05)
    known = Probe(config, 0.0, Random(seed))
    first = known.next_deadline()
    known.answered(10.0)

    assert 0.0 <= first <= 2.0
    assert 11.9 <= known.next_deadline() <= 12.1
