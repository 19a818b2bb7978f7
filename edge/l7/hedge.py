"""The copy that was asked is slow: ask another one too, and take who answers first.  [I/O]

Only for what may be asked twice without doing its work twice and costs nothing to
send again: an idempotent method without a body (RFC 9110 section 9.2.2).  The second
try is paid from the retry budget, so a cluster that is slow as a whole gets at most a
fifth more; and it goes to another endpoint or not at all.

The race is over with the first byte of an answer.  The other connection is closed,
which is how HTTP/1.1 says "never mind".  A connection that *ends* has not answered:
the other one then runs on alone.

The caller owns one channel, `trip.channel`, before and after; all others are closed here.
"""

import socket
import time
from random import Random
from typing import TYPE_CHECKING

import trio

from edge.l7.exchange import Failure
from edge.l7.http1.head import Head
from edge.l7.record import Try
from edge.l7.request import Request
from edge.l7.transport import PeerGone
from edge.l7.upstream.cluster import Pick
from edge.l7.upstream.pool import Channel, ConnectFailed, Overflow
from edge.l7.upstream.retry import IDEMPOTENT

if TYPE_CHECKING:
    from edge.l7.connection import PhoneConnection
    from edge.l7.forward import Trip


class Hedges:
    """The second tries of one worker, counted."""

    def __init__(self, dice: Random) -> None:
        self._dice = dice
        self.won = 0  # the second answered first
        self.lost = 0

    async def run(self, phone: "PhoneConnection", request: Request, head: Head, trip: "Trip") -> None:
        """Send the request over `trip.channel`, and perhaps over another; `trip` is then that of the winner.

        Returns when there is something to read, or nothing to decide.  Raises `Failure`
        when nobody is left who might answer.
        """
        target, first = trip.target, _Runner.of(trip)
        delay_s = target.hedge.delay_s() if target.hedge is not None else None
        bound = target.affinity is not None
        if delay_s is None or bound or request.method not in IDEMPOTENT or head.upgrade or head.body:
            return
        phone.wait_for_service(trip.until)
        if not first.send(phone, request, head, trip.until):
            trip.half_sent = True
            return
        with trio.move_on_after(delay_s) as patience:
            await first.channel.wait()
        if not patience.cancelled_caught:
            return
        second = self._second(trip, first)
        if second is None:
            return
        request.note(
            "upstream", "%s slow after %.0f ms: %s asked too", first.name, delay_s * 1e3, second.name
        )
        phone.tries.append(second.attempt)
        winner: _Runner | None = None
        try:
            winner = await self._race(phone, request, head, trip, first, second)
        finally:
            self._end(phone, trip, first, second, winner)
        if winner is None:
            flag = "UT" if time.monotonic() >= trip.until else "UC"
            raise Failure(flag, f"neither {first.name} nor {second.name} answered", sent=True)

    def _second(self, trip: "Trip", first: "_Runner") -> "_Runner | None":
        cluster, now = trip.target.cluster, time.monotonic()
        pick = cluster.pick(trip.key, (first.pick.endpoint, *trip.tried), now, self._dice)
        if pick is None or pick.endpoint == first.pick.endpoint or not cluster.may_retry(now):
            return None
        cluster.started(pick.endpoint, retry=True)
        span_id = "%016x" % (self._dice.getrandbits(64) or 1)
        return _Runner(pick, Try(span_id, pick.endpoint, pick.address, pick.why, time.monotonic_ns()))

    async def _race(
        self,
        phone: "PhoneConnection",
        request: Request,
        head: Head,
        trip: "Trip",
        first: "_Runner",
        second: "_Runner",
    ) -> "_Runner | None":
        winners: list[_Runner] = []
        with trio.move_on_at(trio.current_time() + trip.until - time.monotonic()):
            async with trio.open_nursery() as nursery:

                async def run(runner: _Runner) -> None:
                    if await runner.answers(trip, phone, request, head):
                        winners.append(runner)
                        nursery.cancel_scope.cancel()

                nursery.start_soon(run, first)
                nursery.start_soon(run, second)
        return winners[0] if winners else None

    def _end(
        self,
        phone: "PhoneConnection",
        trip: "Trip",
        first: "_Runner",
        second: "_Runner",
        winner: "_Runner | None",
    ) -> None:
        """Settle with whoever lost, and make `trip` that of the winner; the first's if there is none."""
        kept = winner or first
        loser = first if kept is second else second
        target, now_ns = trip.target, time.monotonic_ns()
        taken_s = (now_ns - loser.attempt.start_ns) * 1e-9
        loser.attempt.end_ns = now_ns
        loser.attempt.error = loser.failed or "LOST"
        if loser.failed:
            target.cluster.finished(loser.pick.endpoint, False, taken_s, now_ns * 1e-9)
        else:
            target.cluster.abandoned(loser.pick.endpoint)
            if loser is first and target.hedge is not None:
                target.hedge.learn(taken_s)
        if loser.opened is not None:
            target.way.give_back(loser.opened, False, 0.0)
        self.won += kept is second
        self.lost += kept is first
        # The log names the last try: let that be the one that counts.
        phone.tries.remove(kept.attempt)
        phone.tries.append(kept.attempt)
        trip.pick, trip.attempt = kept.pick, kept.attempt
        trip.channel = phone.channel = kept.opened


class _Runner:
    """One of the two."""

    def __init__(self, pick: Pick, attempt: Try, opened: Channel | None = None) -> None:
        self.pick = pick
        self.attempt = attempt
        self.opened = opened
        self.failed = ""  # the flag

    @classmethod
    def of(cls, trip: "Trip") -> "_Runner":
        assert trip.pick is not None and trip.attempt is not None and trip.channel is not None, "taken"
        return cls(trip.pick, trip.attempt, trip.channel)

    @property
    def name(self) -> str:
        return self.pick.endpoint

    @property
    def channel(self) -> Channel:
        assert self.opened is not None, "opened before it is used"
        return self.opened

    def send(self, phone: "PhoneConnection", request: Request, head: Head, until: float) -> bool:
        """The request's head; False when the rest of it has to wait."""
        self.attempt.asked = phone.request_head(request, head, None, self.attempt, until)
        whole = self.channel.send_now(self.attempt.asked)
        if whole:
            self.attempt.sent_ns = time.monotonic_ns()
        return whole

    async def answers(self, trip: "Trip", phone: "PhoneConnection", request: Request, head: Head) -> bool:
        """Send where that has not happened, and wait; True at the first byte of an answer."""
        try:
            if self.opened is None:
                await self._open(trip)
                if not self.send(phone, request, head, trip.until):
                    await self.channel.send_rest()
                    self.attempt.sent_ns = time.monotonic_ns()
            while True:
                await self.channel.wait()
                try:
                    if self.channel.sock.recv(1, socket.MSG_PEEK):
                        return True
                    break
                except BlockingIOError:
                    continue
        except (ConnectFailed, Overflow):
            self.failed = "UF"
        except (PeerGone, OSError):
            self.failed = "UC"
        self.failed = self.failed or "UC"
        return False

    async def _open(self, trip: "Trip") -> None:
        way, address = trip.target.way, self.pick.address
        self.opened = way.take(address, time.monotonic()) or await way.open(address)
        self.attempt.connected_ns = time.monotonic_ns()
        self.attempt.reused = self.opened.uses > 0
