"""One limit over several workers: how close, and what happens without the hub."""

import random
from collections import deque

import pytest

from edge.common.gcra import Gcra
from edge.l7.limits_shared import KEYS_PER_REPORT_MAX, KEYS_WAITING_MAX, SYNC_S, SharedLimits

RATE, BURST = 100.0, 10


class Worker:
    def __init__(self, workers: int, linked: bool = True) -> None:
        self.table = Gcra(RATE, BURST)
        self.shared = SharedLimits({"global": self.table})
        self.shared.neighbours(workers, linked)
        self.granted: list[float] = []

    def ask(self, now: float) -> None:
        if self.table.wait_s("key", now) == 0.0:
            self.table.spend("key", now, self.shared.price)
            if self.shared.listened:
                self.shared.granted("global", "key")
            self.granted.append(now)


def simulate(shares: list[float], offered_per_s: float, linked: bool, seconds: float) -> list[float]:
    """The times of all grants; `shares` is how the load falls upon the workers."""
    dice = random.Random(7)
    workers = [Worker(len(shares), linked) for _ in shares]
    under_way: deque[tuple[float, int, object]] = deque()
    now, next_sync = 1000.0, 1000.0
    while now < 1000.0 + seconds:
        now += dice.expovariate(offered_per_s)
        while next_sync <= now:
            for number, worker in enumerate(workers):
                told = worker.shared.report()
                if told is not None:
                    # One flush of ours, and the hub's hop: the delay that the module states.
                    under_way.append((next_sync + SYNC_S, number, told))
            next_sync += SYNC_S
        while under_way and under_way[0][0] <= now:
            at, sender, told = under_way.popleft()
            for number, worker in enumerate(workers):
                if number != sender:
                    worker.shared.hear(told, at)
        dice.choices(workers, shares)[0].ask(now)
    return sorted(at for worker in workers for at in worker.granted)


@pytest.mark.parametrize("shares", [[1, 1, 1, 1], [7, 1, 1, 1], [97, 1, 1, 1], [1, 0, 0, 0]])
def test_four_unevenly_loaded_workers_keep_one_limit_within_five_percent(shares: list[float]) -> None:
    """Issue 4: 100 a second over 4 workers, within 5 % over 10 s, in lasting overload."""
    grants = simulate(shares, offered_per_s=1000.0, linked=True, seconds=12.0)

    in_ten_seconds = sum(1001.0 <= at < 1011.0 for at in grants)
    assert 950 <= in_ten_seconds <= 1050


def test_the_error_stays_within_the_stated_bound_from_the_first_moment() -> None:
    """A burst upon all workers at once is the worst case, and it is repaid."""
    grants = simulate([1, 1, 1, 1], offered_per_s=2000.0, linked=True, seconds=5.0)

    for until in (0.05, 0.1, 0.5, 1.0, 2.0, 5.0):
        granted = sum(at <= 1000.0 + until for at in grants)
        assert granted <= RATE * until + BURST + 3 * (BURST + RATE * 2 * SYNC_S) + 1


@pytest.mark.parametrize("shares", [[1, 1, 1, 1], [97, 1, 1, 1]])
def test_without_a_hub_the_limit_is_not_exceeded(shares: list[float]) -> None:
    """Static stability errs on the side of the service."""
    grants = simulate(shares, offered_per_s=1000.0, linked=False, seconds=10.0)

    assert len(grants) <= (RATE * 10 + 4 * BURST) * 1.01


def test_a_report_is_bounded_and_names_the_busiest_first() -> None:
    """A flood of forged sources fills neither the channel nor our memory."""
    shared = SharedLimits({"s": Gcra(1, 1)})
    shared.neighbours(2, True)
    for number in range(KEYS_WAITING_MAX + 5):
        shared.granted("s", f"forged-{number}")
    for _ in range(3):
        shared.granted("s", "forged-7")

    first, second = shared.report(), shared.report()

    assert first is not None
    assert second is not None
    assert next(iter(first["s"].items())) == ("forged-7", 4)
    assert len(first["s"]) == len(second["s"]) == KEYS_PER_REPORT_MAX
    assert shared.dropped == 5


def test_nothing_is_said_where_nobody_listens() -> None:
    """A single worker's limit is exact, and a hub that comes back hears no old news."""
    alone, unlinked = SharedLimits({"s": Gcra(1, 1)}), SharedLimits({"s": Gcra(1, 1)})
    alone.neighbours(1, True)
    unlinked.neighbours(4, True)
    unlinked.granted("s", "old news")

    unlinked.neighbours(4, False)
    without = (alone.listened, unlinked.listened)
    unlinked.neighbours(4, True)

    assert without == (False, False)
    assert unlinked.listened
    assert unlinked.report() is None


@pytest.mark.parametrize("told", [None, 7, {"s": 1}, {"other": {"k": 1}}, {"s": {1: 1, "k": "x", "n": -5}}])
def test_nonsense_from_the_channel_is_ignored(told: object) -> None:
    """Another version's worker must not be able to end this one."""
    table = Gcra(1, 1)
    SharedLimits({"s": table}).hear(told, 0.0)

    assert len(table) == 0
