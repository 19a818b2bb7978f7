"""Be active or stand by, and change places in time.  [I/O]

A standby wakes each beat and at once when the holder's process ends (its pidfd
becomes readable); `edge.l4.lease` tells it whether to claim.  While active, this
task writes a beat and looks whether it has been deposed; the accepting tasks look
for themselves before each accept, so they need not wait for it.

A standby already has its links to the workers and the listening sockets, so
becoming active means nothing but beginning to accept.
"""

import os
from collections.abc import Awaitable, Callable

import trio

from edge.common.log import Log
from edge.l4.fence import Fence
from edge.l4.lease import reason_to_claim

Reign = Callable[[int, str], Awaitable[None]]


class Pair:
    """One process's part in the pair."""

    def __init__(self, fence: Fence, log: Log, *, rank: int, beat_s: float) -> None:
        self._fence = fence
        self._log = log
        self._rank = rank
        self._beat_s = beat_s
        self._ordered: str | None = None
        self._resigning = False
        self._wake = trio.Event()

    @property
    def epoch(self) -> int:
        """The epoch under which this process is active, 0 while it stands by."""
        return self._fence.epoch if self._fence.holds() else 0

    def is_active(self) -> bool:
        """Whether this process may accept right now; cheap enough to ask before each accept."""
        return self._fence.holds()

    def take_over(self, why: str) -> None:
        """Claim the next epoch without waiting for anybody's death."""
        self._ordered = why
        self._wake.set()

    def stand_down(self) -> None:
        """Let the other one in, for good: this process is about to end."""
        self._resigning = True
        self._fence.resign()
        self._wake.set()

    async def run(self, reign: Reign, stood_down: Callable[[], None]) -> None:
        """Alternate between standing by and `reign(epoch, why)`; returns after `stand_down`.

        `reign` is cancelled when this process is deposed; `stood_down` is called then.
        """
        while not self._resigning:
            claimed = await self._stand_by()
            if claimed is None:
                continue
            epoch, why = claimed
            async with trio.open_nursery() as nursery:
                nursery.start_soon(reign, epoch, why)
                await self._hold()
                nursery.cancel_scope.cancel()
            self._fence.resign()
            stood_down()

    async def _stand_by(self) -> tuple[int, str] | None:
        """Wait for a reason and claim; None if another was faster or this process is ending."""
        async with trio.open_nursery() as nursery:
            claimed = await self._look_out(nursery)
            nursery.cancel_scope.cancel()
        return claimed

    async def _look_out(self, nursery: trio.Nursery) -> tuple[int, str] | None:
        began = trio.current_time()
        watched, watch = 0, trio.CancelScope()
        while not self._resigning:
            pid = self._fence.holder_pid()
            if pid != watched:
                watch.cancel()
                watched, watch = pid, trio.CancelScope()
                nursery.start_soon(self._wake_at_death, pid, watch)
            why = self._ordered
            self._ordered = None
            if why is None:
                waited_s = trio.current_time() - began
                why = reason_to_claim(self._fence.look(), self._rank, waited_s, self._beat_s)
            if why is not None:
                epoch = self._fence.claim()
                if epoch is not None:
                    return epoch, why
                self._log.info("l4.claim_lost", reason=why)
            with trio.move_on_after(self._beat_s):
                await self._wait_for_order()
        return None

    async def _hold(self) -> None:
        """Beat until deposed or told to stand down."""
        while self._fence.holds():
            self._fence.beat()
            with trio.move_on_after(self._beat_s):
                await self._wait_for_order()
            if self._ordered is not None:
                self._ordered = None  # active already

    async def _wait_for_order(self) -> None:
        await self._wake.wait()
        self._wake = trio.Event()

    async def _wake_at_death(self, pid: int, watch: trio.CancelScope) -> None:
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:
            # It is dead already, or this kernel has no pidfd: the lock tells at the next beat.
            return
        try:
            with watch:
                await trio.lowlevel.wait_readable(descriptor)
                self._wake.set()
        finally:
            os.close(descriptor)
