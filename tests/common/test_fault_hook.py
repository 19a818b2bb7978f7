"""The parts of a fault that take time."""

import pytest
import trio

from edge.common.fault_hook import hold, stall, struck, thaw
from edge.common.faults import Fault, Faults, Strike


async def test_latency_is_waited_out(autojump_clock: trio.testing.MockClock) -> None:
    """300 ms of fault are 300 ms of waiting."""
    started = trio.current_time()

    await stall(Strike(delay_s=0.3))

    assert trio.current_time() - started == pytest.approx(0.3)


async def test_a_timeout_is_ended_by_the_callers_deadline(autojump_clock: trio.testing.MockClock) -> None:
    """The fault never answers; whoever waits has to know when to stop."""
    with trio.move_on_after(5) as scope:
        await stall(Strike(hang=True))

    assert scope.cancelled_caught


async def test_a_fault_is_over_on_the_event_loops_clock(autojump_clock: trio.testing.MockClock) -> None:
    """Keeper and shell have to mean the same clock."""
    faults = Faults()
    faults.add(Fault(id="f", kind="reset", for_s=2.0), trio.current_time())

    assert struck(faults) is not None
    await trio.sleep(2.1)
    assert struck(faults) is None


def test_a_freeze_ends_when_somebody_thaws(tmp_path) -> None:
    """The emergency stop has to reach a process that hears nothing."""
    stamps = iter([7, 7, 8])

    hold(60.0, 7, lambda: next(stamps))
    thaw(tmp_path)

    assert (tmp_path / "thaw").exists()
