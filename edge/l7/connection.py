"""What does one phone's connection go through?  [I/O]

One task per connection, from the handshake to the close, and no nursery, scope or
queue inside it: read a head, have it judged, run the pipeline, forward or
answer, remember, again.  What each step decides is decided elsewhere; what needs no
waiting stands in `edge.l7.serving`, and while only usual requests come, the task
rests and `edge.l7.express` serves them.

Pipelined requests are served one after the other.  A phone that has finished
sending still gets its answer.  When the edge ends a connection on its own it
half-closes and waits a moment, so that the answer is not destroyed by a reset
(RFC 9112 section 9.6).
"""

import ssl
import time
from typing import TYPE_CHECKING, Final

import trio

from edge.l7 import tls
from edge.l7.client_certificate import caller_of
from edge.l7.express import Express, Handed
from edge.l7.forward import Trip
from edge.l7.http1.head import Head, split_head
from edge.l7.http1.rules import Refused
from edge.l7.phone_body import PhoneBody
from edge.l7.record import Flow
from edge.l7.request import Request
from edge.l7.serving import Serving
from edge.l7.transport import HANDSHAKE, HEAD, IDLE, UPSTREAM, WRITE, PeerGone, Transport
from edge.l7.verdict import Answer, Verdict, Wait

if TYPE_CHECKING:
    from edge.l7.worker import Worker

# Envoy's delayed close: how long we read on after our last word.
LINGER_S: Final = 1.0
# A cache entry is fetched once for all who wait; who has waited this often goes alone.
WAITS_MAX: Final = 3


class PhoneConnection(Serving):
    """One connection of one phone."""

    __slots__ = ("_buffer", "_express", "tunnelling")

    def __init__(self, worker: "Worker", transport: Transport, flow: Flow) -> None:
        super().__init__(worker, transport, flow)
        self.tunnelling = False
        self._buffer = b""
        self._express = Express(self)

    async def run(self) -> None:
        """Serve until either side has had enough; closes the socket."""
        transport = self.transport
        try:
            if transport.tls:
                await self._handshake()
            await self._serve()
        except PeerGone:
            pass
        except ssl.SSLError as error:
            self.worker.handshake_failed(error)
            transport.end_sending()
            await self._linger()
        except OSError:
            pass
        finally:
            self._express.abandon()
            transport.close()

    def expire(self) -> None:
        """The walker found the deadline passed: wake whoever is waited for."""
        if self.transport.phase == UPSTREAM and self.channel is not None:
            self.transport.deadline = float("inf")
            self.channel.expire()
        else:
            self.transport.expire()

    def cut_if_slow(self, now: float) -> None:
        """Once a second: end it if the phone has an answer to read and hardly reads."""
        transport = self.transport
        if transport.phase in (WRITE, IDLE) and transport.reads_too_slowly(now):
            transport.phase = WRITE
            transport.expire()

    # -- the connection's life --------------------------------------------------------

    async def _handshake(self) -> None:
        transport, flow = self.transport, self.flow
        transport.phase = HANDSHAKE
        flow.tls_start_ns = time.monotonic_ns()
        transport.deadline = flow.tls_start_ns * 1e-9 + self.worker.config.l7.tls_handshake_timeout_s
        await transport.handshake()
        flow.tls_end_ns = time.monotonic_ns()
        sock = transport.sock
        assert isinstance(sock, ssl.SSLSocket)
        self.server_name = sock.server_hostname or ""
        flow.tls = tls.describe(sock, self.server_name)
        self.tls_version = str(flow.tls["tls.protocol.version"])
        if self.worker.stages.asks_callers:
            flow.caller = caller_of(sock, self.unix_now())
        self.worker.handshake_done(flow)

    async def _serve(self) -> None:
        transport = self.transport
        # The first request has to come as soon as a head has to; later ones may take their time.
        patience = self.worker.config.l7.head_timeout_s
        while True:
            if self._buffer:
                # Pipelined: others get their turn in between.
                await trio.lowlevel.checkpoint()
                self.start_ns = time.monotonic_ns()
            else:
                handed = await self._rest(patience)
                patience = self.worker.config.l7.idle_timeout_s
                if self._express.over:
                    break
                if handed is not None:
                    if not await self._go_on(handed):
                        break
                    continue
                if not self._buffer:
                    self.start_ns = time.monotonic_ns()
                    self._buffer = await transport.receive()
                    if not self._buffer:
                        return
            try:
                head = await self._head()
            except Refused as refused:
                await self._refuse(refused)
                return
            if head is None:
                return
            if not await self._request(head) or self.tunnelling:
                break
        transport.end_sending()
        await self._linger()

    async def _rest(self, patience: float) -> Handed | None:
        """Until there is something for this task to do; usual requests are served meanwhile.

        With a request that has begun already, or None: then there is something in the
        buffer, or to be read.
        """
        transport = self.transport
        transport.phase = IDLE
        transport.deadline = time.monotonic() + patience
        self._express.open()
        try:
            await transport.wait()
        finally:
            self._express.shut()
        return self._express.handed

    async def _head(self) -> Head | None:
        """The next head, judged; None at the end of what the phone sends.  Raises `Refused`."""
        transport, limits = self.transport, self.worker.limits
        while (split := split_head(self._buffer, limits)) is None:
            transport.phase = HEAD
            transport.deadline = self.start_ns * 1e-9 + self.worker.config.l7.head_timeout_s
            data = await transport.receive()
            if not data:
                if transport.expired:
                    raise Refused(408, "head-timeout", "The request head came too slowly.")
                return None
            self._buffer += data
        raw, self._buffer = split
        return self.worker.memo.judge(raw)

    async def _linger(self) -> None:
        transport = self.transport
        transport.phase = IDLE
        transport.deadline = time.monotonic() + LINGER_S
        await transport.discard()

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
        wanted = worker.body_bytes_wanted(request)
        if not wanted:
            return None
        request.body_prefix = await body.prefix(wanted)
        # It is our turn now: the walker must not take our own time for the phone's.
        self.transport.deadline = float("inf")
        return await worker.judge_body(request)

    async def _refuse(self, refused: Refused) -> None:
        """Answer what could not even be judged as a request, and end."""
        request = self.begin(None)
        try:
            await self.send_answer(request, _refusal(refused))
        except PeerGone:
            return
        finally:
            self.end(request)
        self.transport.end_sending()
        await self._linger()

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
