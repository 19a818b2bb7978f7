"""Phones that keep calling while something is done to the edge.  [I/O]

`Callers` opens new connections at a steady rate, each of which asks for an echo,
and keeps long ones open that ask now and then.  What they saw is the measure of a
failover: who was cut, who failed, and how long nobody was answered.
"""

import socket
from dataclasses import dataclass, field
from itertools import pairwise

import trio

PATIENCE_S = 8.0
PULSE_S = 0.005


@dataclass(slots=True)
class Callers:
    """What the phones saw so far."""

    host: str
    port: int
    answered: list[tuple[float, float]] = field(default_factory=list)  # (called at, answered at)
    failed: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    stalls: list[tuple[float, float]] = field(default_factory=list)  # (due, woken) of our own pulse
    long_open: int = 0
    long_answers: int = 0

    async def call(self, rate_per_s: float) -> None:
        """New connections, until cancelled; late ones are caught up with."""
        due = trio.current_time()
        async with trio.open_nursery() as nursery:
            while True:
                nursery.start_soon(self._one)
                due += 1.0 / rate_per_s
                await trio.sleep_until(due)

    async def feel_the_pulse(self) -> None:
        """Note when this very process was not run in time, until cancelled."""
        while True:
            due = trio.current_time() + PULSE_S
            await trio.sleep_until(due)
            if (woken := trio.current_time()) - due > PULSE_S:
                self.stalls.append((due, woken))

    async def stay(self, count: int, every_s: float = 1.0) -> None:
        """Long connections, until cancelled."""
        async with trio.open_nursery() as nursery:
            for number in range(count):
                nursery.start_soon(self._long, number, every_s)
                await trio.sleep(0.001)

    def longest_gap_s(self) -> float:
        """The longest time in which nobody was answered; the pause between two calls included.

        Time in which this process itself was not run is taken off: a test machine
        that does other things as well says nothing about the edge.
        """
        answers = sorted(at for _, at in self.answered)
        return max((self._awake_s(earlier, later) for earlier, later in pairwise(answers)), default=0.0)

    def _awake_s(self, begin: float, end: float) -> float:
        asleep_s = sum(max(0.0, min(woken, end) - max(due, begin)) for due, woken in self.stalls)
        return end - begin - asleep_s

    def slowest_s(self) -> float:
        """The longest that anybody waited for an answer."""
        return max((answered - called for called, answered in self.answered), default=0.0)

    async def _one(self) -> None:
        called = trio.current_time()
        try:
            with trio.fail_after(PATIENCE_S):
                await self._ask_once()
        except (OSError, trio.BrokenResourceError, trio.TooSlowError) as error:
            self.failed.append(f"{called:.3f} {error!r}")
        else:
            self.answered.append((called, trio.current_time()))

    async def _ask_once(self) -> None:
        phone = await trio.open_tcp_stream(self.host, self.port)
        async with phone:
            await phone.send_all(b"hello")
            if await phone.receive_some(16) != b"hello":
                raise trio.BrokenResourceError("closed without an answer")

    async def _long(self, number: int, every_s: float) -> None:
        phone = await trio.open_tcp_stream(self.host, self.port)
        phone.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        async with phone:
            self.long_open += 1
            while True:
                try:
                    with trio.fail_after(PATIENCE_S):
                        await phone.send_all(b"still here")
                        if not await phone.receive_some(16):
                            raise trio.BrokenResourceError("closed by the edge")
                except (OSError, trio.BrokenResourceError, trio.TooSlowError) as error:
                    self.cut.append(f"phone {number}: {error!r}")
                    return
                self.long_answers += 1
                await trio.sleep(every_s)
