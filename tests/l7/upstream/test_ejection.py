"""Who fails too often is left alone for a while."""

from edge.common.config import HealthConfig
from edge.l7.upstream.ejection import Ejection

CONFIG = HealthConfig(eject_after=3, eject_s=30.0, eject_max_s=70.0)


def test_failures_in_a_row_count_and_a_success_ends_the_row() -> None:
    """One 500 in a thousand answers is no reason."""
    ejection = Ejection(CONFIG, 0.0)

    first = [ejection.failed(), ejection.failed()]
    ejection.succeeded()
    second = [ejection.failed(), ejection.failed(), ejection.failed()]

    assert first == [False, False]
    assert second == [False, False, True]


def test_each_time_is_longer_up_to_a_cap_and_good_behaviour_counts() -> None:
    """An endpoint that keeps failing is tried less and less often."""
    ejection = Ejection(CONFIG, 0.0)
    lengths = []
    now = 0.0
    for _ in range(4):
        ejection.eject(now)
        lengths.append(ejection.until - now)
        now = ejection.until
        ejection.restore(now)
    ejection.eject(now + 65.0)

    assert lengths == [30.0, 60.0, 70.0, 70.0]
    assert ejection.until - (now + 65.0) == 70.0  # four times, two forgiven, and this one: 90, capped
    ejection.restore(1000.0)
    ejection.eject(1000.0 + 30.0 * 10)
    assert ejection.until - 1300.0 == 30.0


def test_one_that_is_away_already_is_not_ejected_again() -> None:
    """Answers to requests from before must not prolong it."""
    ejection = Ejection(CONFIG, 0.0)
    ejection.eject(0.0)

    assert not any(ejection.failed() for _ in range(10))


def test_zero_switches_it_off() -> None:
    """For an application whose 500s are answers."""
    ejection = Ejection(HealthConfig(eject_after=0), 0.0)

    assert not any(ejection.failed() for _ in range(10))
