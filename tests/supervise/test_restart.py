"""When a dead worker is started again."""

from edge.supervise.restart import BACKOFF_MAX_S, Restart


def test_the_first_death_costs_no_wait() -> None:
    """`kill -9` is an everyday event that the edge survives."""
    history = Restart()
    history.started(100.0)

    assert history.died(100.5) == 100.5


def test_a_worker_that_keeps_dying_young_waits_longer_and_longer() -> None:
    """A bug at start-up must not burn a core."""
    history = Restart()
    waits = []
    for _ in range(20):
        history.started(0.0)
        waits.append(history.died(0.0))

    assert waits == sorted(waits)
    assert waits[-1] == BACKOFF_MAX_S


def test_a_long_life_wipes_the_slate() -> None:
    """A worker killed once a day is restarted at once each time."""
    history = Restart()
    for _ in range(5):
        history.started(0.0)
        history.died(0.0)

    history.started(10.0)

    assert history.died(20.0) == 20.0
