"""Closed, open, recovering."""

from edge.common.config import BreakerConfig
from edge.l7.upstream.breaker import Breaker

CONFIG = BreakerConfig(failure_share=0.5, requests_min=10, open_s=2.0, open_max_s=5.0)


def broken(now: float = 100.0) -> Breaker:
    breaker = Breaker(CONFIG)
    for _ in range(10):
        breaker.learn(False, now)
    return breaker


def test_a_few_failures_or_many_among_more_successes_open_nothing() -> None:
    """The share decides, and only with enough of them."""
    few, many = Breaker(CONFIG), Breaker(CONFIG)
    for _ in range(9):
        few.learn(False, 100.0)
    for number in range(100):
        many.learn(number % 3 != 0, 100.0)

    assert few.state == many.state == "closed"


def test_failures_in_different_seconds_are_not_added_up() -> None:
    """A slow trickle of failures is a matter for ejection."""
    breaker = Breaker(CONFIG)
    for second in range(30):
        breaker.learn(False, 100.0 + second)

    assert breaker.state == "closed"


def test_open_refuses_everything_and_says_when_to_come_back() -> None:
    """Waiting for a service that does not answer helps neither side."""
    breaker = broken()

    assert breaker.state == "open"
    assert not breaker.admits(101.0, dice=0.0)
    assert breaker.wait_s(101.5) == 0.5


def test_it_recovers_step_by_step() -> None:
    """A service that comes back must not get everything at once."""
    breaker = broken()

    assert [breaker.admits(103.0, dice) for dice in (0.4, 0.6)] == [True, False]
    assert breaker.state == "recovering"
    assert breaker.admits(104.1, dice=0.99)
    assert breaker.state == "closed"


def test_a_relapse_takes_longer_up_to_a_cap() -> None:
    """Twice as long each time, as long as it never closed in between."""
    breaker = broken(100.0)
    breaker.admits(102.5, 0.9)
    for _ in range(10):
        breaker.learn(False, 102.5)
    second = breaker.wait_s(102.5)
    breaker.admits(107.0, 0.9)
    for _ in range(10):
        breaker.learn(False, 107.0)

    assert second == 4.0
    assert breaker.wait_s(107.0) == 5.0


def test_zero_never_opens() -> None:
    """Who wants no breaker has none."""
    breaker = Breaker(BreakerConfig(failure_share=0.0))
    for _ in range(1000):
        breaker.learn(False, 1.0)

    assert breaker.admits(1.0, 0.99)
