"""Who would answer soonest?"""

from random import Random

from edge.common.balance.peak_ewma import DECAY_S, PeakEwma
from edge.common.balance.policy import Target


def pair() -> PeakEwma:
    balancer = PeakEwma()
    balancer.set_endpoints([Target("a"), Target("b")])
    return balancer


def chosen(balancer: PeakEwma, now: float, **loads: float) -> str:
    choice = balancer.pick(b"", lambda name: loads.get(name, 0.0), Random(1), now=now)
    assert choice is not None
    return choice.name


def test_one_slow_answer_is_believed_at_once() -> None:
    """The peak: an endpoint that stalls loses its share before the average notices."""
    balancer = pair()
    for n in range(100):
        balancer.observe("a", 0.001, now=n / 100)
        balancer.observe("b", 0.002, now=n / 100)
    before = chosen(balancer, now=1.0)

    balancer.observe("a", 0.5, now=1.0)

    assert (before, chosen(balancer, now=1.0)) == ("a", "b")


def test_work_in_flight_weighs_as_much_as_latency() -> None:
    """A fast endpoint with a long queue is not fast."""
    balancer = pair()
    balancer.observe("a", 0.010, now=0.0)
    balancer.observe("b", 0.020, now=0.0)

    assert chosen(balancer, now=0.0, a=0, b=0) == "a"
    assert chosen(balancer, now=0.0, a=3, b=0) == "b"


def test_a_bad_estimate_fades_while_nobody_asks() -> None:
    """Otherwise an endpoint that was slow once would never be tried again."""
    balancer = pair()
    balancer.observe("a", 1.0, now=0.0)
    for n in range(1, 100):
        balancer.observe("b", 0.010, now=float(n))

    assert chosen(balancer, now=1.0) == "b"
    assert chosen(balancer, now=99.0 + 6 * DECAY_S, b=1) == "a"


def test_recovery_is_slower_than_the_fall() -> None:
    """One good answer after a bad one does not clear the record."""
    balancer = pair()
    balancer.observe("b", 0.010, now=0.0)
    balancer.observe("a", 0.500, now=0.0)

    balancer.observe("a", 0.001, now=0.1)

    assert chosen(balancer, now=0.1) == "b"


def test_an_answer_of_somebody_who_left_is_ignored() -> None:
    """Answers arrive after a membership change; that is no reason to fail."""
    balancer = pair()
    balancer.observe("gone", 0.1, now=0.0)

    assert chosen(balancer, now=0.0) in "ab"
