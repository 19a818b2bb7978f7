"""What does one phone's connection go through?  [I/O]

It shakes hands (`edge.l7.handshake`), rests until a head is here, has it judged, runs
the pipeline, forwards or answers, remembers, rests again, and parts.  What each step
decides is decided elsewhere; what needs no waiting stands in `edge.l7.serving`.

As long as nothing unusual happens a connection has no task: the poller calls it, and
`edge.l7.express` serves the requests.  What has to wait for something is done in a
task (`run`), one for each connection at a time, which ends when the connection rests
again.  So an idle phone costs its objects and no suspended frames, and a handshake
or a close wakes nobody.

Pipelined requests are served one after the other.  A phone that has finished
sending still gets its answer.  When the edge ends a connection on its own it
half-closes and waits a moment, so that the answer is not destroyed by a reset
(RFC 9112 section 9.6).
"""

import math
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import trio

from edge.l7.express import Express, Handed
from edge.l7.forward import Trip
from edge.l7.handshake import Handshake
from edge.l7.http1.head import Head, split_head
from edge.l7.http1.rules import Refused
from edge.l7.phone_body import PhoneBody
from edge.l7.poller import TAKEN
from edge.l7.record import Flow
from edge.l7.request import Request
from edge.l7.serving import Serving
from edge.l7.transport import HEAD, IDLE, UPSTREAM, WRITE, PeerGone, Transport
from edge.l7.verdict import Answer, Verdict, Wait

if TYPE_CHECKING:
    from edge.l7.worker import Worker

# Envoy's delayed close: how long we read on after our last word.
LINGER_S: Final = 1.0
# A cache entry is fetched once for all who wait; who has waited this often goes alone.
WAITS_MAX: Final = 3


class PhoneConnection(Serving):
    """One connection of one phone."""

    __slots__ = ("_buffer", "_ended", "_express", "attended", "tunnelling")

    def __init__(
        self, worker: "Worker", transport: Transport, flow: Flow, ended: Callable[[int], None]
    ) -> None:
        super().__init__(worker, transport, flow)
        self._ended: Callable[[int], None] | None = ended  # None: it is closed
        self.tunnelling = False
        self.attended = False  # by a task
        self._buffer = b""
        self._express = Express(self)

    # -- the connection's life --------------------------------------------------------

    def start(self) -> None:
        """The socket has come from L4: serve until either side has had enough, and close it."""
        if self.transport.tls is not None:
            Handshake(self).begin()
        else:
            self.rest()

    def rest(self) -> None:
        """Until the phone says something; usual requests are served without anybody's waking."""
        transport, l7 = self.transport, self.worker.config.l7
        # The first request has to come as soon as a head has to; later ones may take their time.
        patience = l7.idle_timeout_s if self.flow.requests else l7.head_timeout_s
        transport.phase = IDLE
        transport.deadline = time.monotonic() + patience
        self._express.open()
        transport.watch.arm()

    def listen(self) -> None:
        """Look at once whether the phone has said something already."""
        self._express.on_phone()

    def see_to(self, work: Callable[[], Awaitable[None]]) -> None:
        """Something has to wait: have it done in a task."""
        self.attended = True
        self.worker.attend(self, work)

    async def run(self) -> None:
        """Do what the express could not, then rest again or part."""
        try:
            stays = await self._serve()
        except (PeerGone, OSError):
            self.close()
            return
        self.attended = False
        if stays:
            self.rest()
        else:
            self.part()

    def part(self) -> None:
        """End the connection with our last word, and see that it arrives."""
        transport = self.transport
        transport.end_sending()
        if self.heard_all and not self._buffer and not transport.stale:
            # The phone has said that this was all, and nothing contradicts it; nginx does the same.
            self.close()
            return
        transport.phase = IDLE
        transport.deadline = time.monotonic() + LINGER_S
        transport.watch.express = self._discard
        transport.watch.arm()

    def _discard(self) -> int:
        if self.transport.discard():
            self.close()
        return TAKEN

    def close(self) -> None:
        """At once, whatever is under way."""
        if self._ended is not None:
            ended, self._ended = self._ended, None
            self._express.abandon()
            self.transport.close()
            self.worker.forget(self)
            ended(self.flow.handover.ticket)

    def expire(self) -> None:
        """The walker found the deadline passed: wake whoever is waited for."""
        transport = self.transport
        if transport.phase == UPSTREAM and self.channel is not None:
            transport.deadline = math.inf
            self.channel.expire()
        elif self.attended:
            transport.expire()
        else:
            self.close()

    def cut_if_slow(self, now: float) -> None:
        """Once a second: end it if the phone has an answer to read and hardly reads."""
        transport = self.transport
        if transport.phase in (WRITE, IDLE) and transport.reads_too_slowly(now):
            transport.phase = WRITE
            self.expire()

    def cut(self) -> None:
        """Its source was banned: end it, whatever is under way."""
        if self.attended:
            self.transport.phase = WRITE  # nothing more is said to it, so nothing is waited for either
            self.transport.expire()
        else:
            self.close()

    # -- in the task ------------------------------------------------------------------

    async def _serve(self) -> bool:
        """Serve as long as there is something here; False when the connection has to end.

        Raises `PeerGone`.
        """
        handed = self._express.handed
        if handed is not None:
            self._express.handed = None
            if not await self._go_on(handed):
                return False
        first = handed is None
        while first or self._buffer or self.transport.pending:
            if not first:
                # Pipelined: others get their turn in between.
                await trio.lowlevel.checkpoint()
                self.start_ns = time.monotonic_ns()
            first = False
            try:
                head = await self._head()
            except Refused as refused:
                await self._refuse(refused)
                return False
            if not await self._request(head) or self.tunnelling:
                return False
        return True

    async def _head(self) -> Head:
        """The next head, judged.  Raises `Refused`, and `PeerGone` where the phone ends before its head."""
        transport, limits = self.transport, self.worker.limits
        while (split := split_head(self._buffer, limits)) is None:
            transport.phase = HEAD
            transport.deadline = self.start_ns * 1e-9 + self.worker.config.l7.head_timeout_s
            data = await transport.receive()
            if not data:
                if transport.expired:
                    raise Refused(408, "head-timeout", "The request head came too slowly.")
                raise PeerGone
            self._buffer += data
        raw, self._buffer = split
        return self.worker.memo.judge(raw)

    # -- one request ------------------------------------------------------------------

    async def _request(self, head: Head) -> bool:
        """Serve one request; False when the connection has to end."""
        request = self.begin(head)
        body: PhoneBody | None = None
        if head.body:
            l7 = self.worker.config.l7
            body = PhoneBody(
                self.transport,
                head.body,
                self._buffer,
                expect=head.expect_continue,
                bytes_max=l7.body_bytes_max,
                rate_min=l7.body_rate_min_bytes_per_s,
                pause_max_s=l7.body_timeout_s,
            )
            self._buffer = b""
        try:
            await self._settle(request, head, body, self.judge(request), None)
        finally:
            self.end(request, body)
        return self.keep_alive

    async def _go_on(self, handed: Handed) -> bool:
        """Serve the rest of a request that the express has begun; False when the connection has to end."""
        request, head, trip = self.request, self.head, handed.trip
        try:
            if handed.error is not None:
                if trip is not None:
                    self.worker.forwarder.abandon(self, trip)
                raise handed.error
            assert request is not None and head is not None, "it has begun"
            if not handed.answered:
                await self._settle(request, head, None, handed.verdict, trip)
            else:
                await self.transport.send_rest()
        except PeerGone:
            self._left()
        finally:
            if request is not None:
                self.end(request)
        return self.keep_alive and not self.tunnelling

    async def _settle(
        self, request: Request, head: Head, body: PhoneBody | None, verdict: Verdict, trip: Trip | None
    ) -> None:
        """From the pipeline's verdict to the last byte of the answer."""
        worker = self.worker
        try:
            try:
                if isinstance(verdict, Wait):
                    verdict = await self._wait(request, verdict)
                if verdict is None and body is not None:
                    verdict = await self._admit_body(request, body)
                if verdict is None:
                    verdict = await worker.forwarder.forward(self, request, head, body, trip)
                    if request.route is not None and request.route.mirror is not None:
                        worker.mirrors.copy(request.route.mirror, self._heads, request, head, body)
            except Refused as refused:
                if self.head_sent:
                    raise PeerGone from refused
                self.keep_alive = False
                verdict = _refusal(refused)
            if verdict is not None:
                if body is not None:
                    body.take_buffered()
                    if not body.complete:
                        self.keep_alive = False
                await self.send_answer(request, verdict)
            if body is not None:
                self._buffer = body.rest
                self.keep_alive = self.keep_alive and body.complete
        except PeerGone:
            self._left()

    def _left(self) -> None:
        self.keep_alive = False
        if self.flag == "-":
            self.flag = "DC"

    async def _wait(self, request: Request, verdict: Wait) -> Answer | None:
        """Wait for what another request is fetching, and ask the stage again."""
        worker = self.worker
        again: Verdict = verdict
        for _ in range(WAITS_MAX):
            if not isinstance(again, Wait):
                return again
            self.first_stage = start = worker.pipeline.stopped_at(request, self.first_stage)
            self.transport.deadline = float("inf")
            await worker.wait_for(again.token, again.timeout_s)
            request.marks.clear()
            again = worker.pipeline.run(request, time.monotonic_ns, time.time(), start)
        return None if isinstance(again, Wait) else again

    async def _admit_body(self, request: Request, body: PhoneBody) -> Answer | None:
        worker = self.worker
        route = request.route
        bytes_max = worker.config.l7.body_bytes_max
        if route is not None and route.config.body_bytes_max is not None:
            bytes_max = route.config.body_bytes_max
        body.limit(bytes_max)
        if wanted := worker.inspections.bytes_wanted(request):
            request.body_prefix = await body.prefix(wanted)
            wanted = worker.inspections.bytes_wanted(request)  # having seen how it begins
        if not wanted:
            request.body_prefix = b""
            return None
        request.body_prefix = await body.prefix(wanted)
        # It is our turn now: the walker must not take our own time for the phone's.
        self.transport.deadline = float("inf")
        return await worker.inspections.body(request)

    async def _refuse(self, refused: Refused) -> None:
        """Answer what could not even be judged as a request, and end."""
        request = self.begin(None)
        try:
            await self.send_answer(request, _refusal(refused))
        finally:
            self.end(request)

    # -- for the express, the forwarder and the tunnel ----------------------------------

    def heard(self, data: bytes) -> None:
        """The phone has sent this, and the task is to see to it."""
        self._buffer = data

    async def send(self, data: bytes) -> None:
        """To the phone.  Raises `PeerGone`."""
        self.head_sent = True
        await self.transport.send(data)

    async def send_answer(self, request: Request, answer: Answer) -> None:
        """An answer of the edge's own.  Raises `PeerGone`."""
        await self.transport.send(self.answer_bytes(request, answer))

    def in_tunnel(self) -> None:
        """The connection has become two pipes."""
        self.tunnelling = True

    def take_buffer(self) -> bytes:
        """What the phone has sent already beyond its request."""
        data, self._buffer = self._buffer, b""
        return data


def _refusal(refused: Refused) -> Answer:
    headers = ((b"allow", b"GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE"),) if refused.status == 405 else ()
    return Answer(
        status=refused.status,
        reason="BAD",
        detail=refused.detail,
        why=f"http: {refused.rule}",
        headers=headers,
    )
