"""Never two active under one epoch."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from edge.l4.fence import Fence


def test_an_epoch_has_one_holder_and_each_claim_deposes_the_last(tmp_path: Path) -> None:
    """The deposed one learns it from its own page, without asking anybody."""
    a, b = Fence(tmp_path, "mumbai"), Fence(tmp_path, "mumbai")

    first = a.claim()
    a_held = a.holds()
    second = b.claim()

    assert (first, second) == (1, 2)
    assert a_held
    assert not a.holds()
    assert b.holds()
    assert b.look().epoch == 2


def test_lanes_do_not_know_each_other(tmp_path: Path) -> None:
    """Each POP has its own pair; active/active is a lane for each."""
    mumbai, singapore = Fence(tmp_path, "mumbai"), Fence(tmp_path, "singapore")

    assert mumbai.claim() == 1
    assert singapore.look().epoch == 0
    assert singapore.claim() == 1
    assert mumbai.holds()


def test_one_that_resigns_is_seen_to_be_gone(tmp_path: Path) -> None:
    """A planned release should not cost three missed beats."""
    a, b = Fence(tmp_path, "mumbai"), Fence(tmp_path, "mumbai")
    a.claim()
    a.beat()
    before = b.look()

    a.resign()

    assert before.held
    assert before.beat_age_s < 0.5
    assert not b.look().held


def test_a_sleeper_that_wakes_after_many_epochs_is_deposed_and_claims_a_new_number(tmp_path: Path) -> None:
    """Its successor's file is long removed; numbers must rise all the same."""
    sleeper = Fence(tmp_path, "mumbai")
    sleeper.claim()
    watcher = Fence(tmp_path, "mumbai")
    watcher.look()
    others = [Fence(tmp_path, "mumbai") for _ in range(6)]
    for other in others:
        other.claim()

    assert not sleeper.holds()
    assert watcher.look().epoch == 7
    assert sleeper.claim() == 8
    assert not others[-1].holds()
    assert len(list(tmp_path.glob("mumbai.*"))) <= 4


def _claim_and_sleep(directory: Path, start: float, results: "multiprocessing.Queue[int | None]") -> None:
    fence = Fence(directory, "mumbai")
    fence.look()
    time.sleep(max(0.0, start - time.monotonic()))
    results.put(fence.claim())
    time.sleep(60)


def test_of_processes_that_claim_in_the_same_moment_no_two_get_one_epoch(tmp_path: Path) -> None:
    """The kernel decides: link() to a name that exists fails."""
    context = multiprocessing.get_context("fork")
    results: multiprocessing.Queue[int | None] = context.Queue()
    start = time.monotonic() + 0.05
    racers = [context.Process(target=_claim_and_sleep, args=(tmp_path, start, results)) for _ in range(4)]
    for racer in racers:
        racer.start()

    epochs = [epoch for epoch in (results.get(timeout=5) for _ in racers) if epoch is not None]
    for racer in racers:
        racer.kill()
        racer.join()

    assert epochs
    assert len(set(epochs)) == len(epochs)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_death_frees_the_lock_and_a_stop_does_not(tmp_path: Path, number: signal.Signals) -> None:
    """A standby can tell the two apart, and knows of a death without waiting."""
    context = multiprocessing.get_context("fork")
    results: multiprocessing.Queue[int | None] = context.Queue()
    holder = context.Process(target=_claim_and_sleep, args=(tmp_path, 0.0, results))
    holder.start()
    results.get(timeout=5)
    standby = Fence(tmp_path, "mumbai")
    alive = standby.look()
    assert holder.pid is not None

    os.kill(holder.pid, number)
    if number == signal.SIGKILL:
        holder.join()
    else:
        os.waitid(os.P_PID, holder.pid, os.WSTOPPED)
    after = standby.look()
    if number == signal.SIGSTOP:
        holder.kill()
        holder.join()

    assert alive.held
    assert standby.holder_pid() == holder.pid
    assert after.held == (number == signal.SIGSTOP)
    assert after.process_state == ("T" if after.held else "R")
