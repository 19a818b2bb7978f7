"""What does one phone's connection go through?  [I/O]

One task per connection, from the handshake to the close, and no nursery, scope or
queue inside it: read a head, have it judged, run the pipeline, forward or
answer, remember, again.  What each step decides is decided elsewhere.

Pipelined requests are served one after the other.  A phone that has finished
sending still gets its answer.  When the edge ends a connection on its own it
half-closes and waits a moment, so that the answer is not destroyed by a reset
(RFC 9112 section 9.6).
"""

import ssl
import time
from typing import TYPE_CHECKING, Final

import trio

from edge.common.trace import RANDOM, SAMPLED, TraceContext, parse_traceparent
from edge.l7 import answers, tls
from edge.l7.client_certificate import caller_of
from edge.l7.fetch import Fields
from edge.l7.http1.head import Head, split_head
from edge.l7.http1.reply_head import ReplyHead
from edge.l7.http1.rules import Refused
from edge.l7.outgoing import Heads
from edge.l7.phone_body import PhoneBody
from edge.l7.record import TEXT_MAX, Flow, Record, Try
from edge.l7.request import Request
from edge.l7.transport import (
    HANDSHAKE,
    HEAD,
    IDLE,
    UPSTREAM,
    WRITE,
    PeerGone,
    Transport,
)
from edge.l7.upstream.pool import Channel
from edge.l7.verdict import Answer, Verdict, Wait

if TYPE_CHECKING:
    from edge.l7.worker import Worker

# Envoy's delayed close: how long we read on after our last word.
LINGER_S: Final = 1.0
# A cache entry is fetched once for all who wait; who has waited this often goes alone.
WAITS_MAX: Final = 3


class PhoneConnection:
    """One connection of one phone."""

    __slots__ = (
        "_buffer",
        "_heads",
        "_plain",
        "_worker",
        "answered",
        "body",
        "channel",
        "flag",
        "flow",
        "head_sent",
        "hop",
        "keep_alive",
        "server_name",
        "status",
        "tls_version",
        "transport",
        "tries",
        "tunnelling",
        "why",
    )

    def __init__(self, worker: "Worker", transport: Transport, flow: Flow) -> None:
        self._worker = worker
        self.transport = transport
        self.flow = flow
        self.hop = worker.hop
        self.tls_version = ""
        self.server_name = ""
        self.channel: Channel | None = None
        self.tunnelling = False
        self._buffer = b""
        self._plain = flow.handover.listener == "http"
        self._heads = Heads(worker.hop, flow, encrypted=transport.tls)
        # Of the request that is being served.
        self.tries: list[Try] = []
        self.body: PhoneBody | None = None
        self.keep_alive = True
        self.head_sent = False
        self.status = 0
        self.flag = "-"
        self.why = ""
        self.answered = b""  # the head that went to the phone

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
            self._worker.handshake_failed(error)
            transport.end_sending()
            await self._linger()
        except OSError:
            pass
        finally:
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

    def unix_now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    # -- the connection's life --------------------------------------------------------

    async def _handshake(self) -> None:
        transport, flow = self.transport, self.flow
        transport.phase = HANDSHAKE
        flow.tls_start_ns = time.monotonic_ns()
        transport.deadline = flow.tls_start_ns * 1e-9 + self._worker.config.l7.tls_handshake_timeout_s
        await transport.handshake()
        flow.tls_end_ns = time.monotonic_ns()
        sock = transport.sock
        assert isinstance(sock, ssl.SSLSocket)
        self.server_name = sock.server_hostname or ""
        flow.tls = tls.describe(sock, self.server_name)
        self.tls_version = str(flow.tls["tls.protocol.version"])
        if self._worker.stages.asks_callers:
            flow.caller = caller_of(sock, self.unix_now())
        self._worker.handshake_done(flow)

    async def _serve(self) -> None:
        worker, transport = self._worker, self.transport
        limits, l7 = worker.limits, worker.config.l7
        # The first request has to come as soon as a head has to; later ones may take their time.
        patience = l7.head_timeout_s
        while True:
            if self._buffer:
                # Pipelined: others get their turn in between.
                await trio.lowlevel.checkpoint()
                start_ns = time.monotonic_ns()
            else:
                transport.phase = IDLE
                transport.deadline = time.monotonic() + patience
                await transport.wait()
                start_ns = time.monotonic_ns()
                self._buffer = await transport.receive()
                if not self._buffer:
                    return
                patience = l7.idle_timeout_s
            try:
                while (split := split_head(self._buffer, limits)) is None:
                    transport.phase = HEAD
                    transport.deadline = start_ns * 1e-9 + l7.head_timeout_s
                    data = await transport.receive()
                    if not data:
                        if transport.expired:
                            raise Refused(408, "head-timeout", "The request head came too slowly.")
                        return
                    self._buffer += data
                raw, self._buffer = split
                head = worker.memo.judge(raw)
            except Refused as refused:
                await self._refuse(refused, start_ns)
                return
            if not await self._request(head, start_ns) or self.tunnelling:
                break
        transport.end_sending()
        await self._linger()

    async def _linger(self) -> None:
        transport = self.transport
        transport.phase = IDLE
        transport.deadline = time.monotonic() + LINGER_S
        await transport.discard()

    # -- one request ------------------------------------------------------------------

    async def _request(self, head: Head, start_ns: int) -> bool:
        """Serve one request; False when the connection has to end."""
        worker = self._worker
        block = head.block
        self.tries = []
        self.keep_alive = block.keep_alive and not worker.draining
        self.head_sent = False
        self.status = 0
        self.flag, self.why, self.answered = "-", "", b""
        self.flow.requests += 1
        head_ns = time.monotonic_ns()
        trace, parent_id = self._trace(block.traceparent)
        request = Request(
            head.line.method,
            head.line.target,
            _fields_of(head),
            host=block.host,
            body_expected=head.body != 0,
            source=self.flow.handover.source_ip,
            listener=self.flow.handover.listener,
            tls_version=self.tls_version,
            server_name=self.server_name,
            conn_id=self.flow.handover.conn_id,
            caller=self.flow.caller,
            trace=trace,
        )
        body: PhoneBody | None = None
        if head.body:
            l7 = worker.config.l7
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
        bytes_out = self.transport.bytes_out
        first_stage = 0
        try:
            try:
                if self._plain:
                    verdict: Verdict = worker.redirect(request)
                else:
                    verdict = worker.pipeline.run(
                        request, time.monotonic_ns, head_ns * 1e-9 + worker.unix_offset
                    )
                if isinstance(verdict, Wait):
                    verdict, first_stage = await self._wait(request, verdict)
                if verdict is None and body is not None:
                    verdict = await self._admit_body(request, body)
                if verdict is None:
                    verdict = await worker.forwarder.forward(self, request, head, body)
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
            self.keep_alive = False
            if self.flag == "-":
                self.flag = "DC"
        finally:
            if request.fetch is not None:
                whole = self.status != 0 and self.flag == "-" and self.head_sent
                request.fetch.end(whole, time.monotonic(), self.unix_now())
                worker.release(request.fetch.token)
            if worker.stages.experiment.watches() and request.route is not None and self.status:
                worker.stages.experiment.learn(request.route, self.status < 500)
            self._remember(request, head, parent_id, start_ns, head_ns, bytes_out, first_stage, body)
        return self.keep_alive

    async def _wait(self, request: Request, verdict: Wait) -> tuple[Answer | None, int]:
        """Wait for what another request is fetching, and ask the stage again."""
        worker = self._worker
        start = 0
        again: Verdict = verdict
        for _ in range(WAITS_MAX):
            if not isinstance(again, Wait):
                return again, start
            start = worker.pipeline.stopped_at(request, start)
            self.transport.deadline = float("inf")
            await worker.wait_for(again.token, again.timeout_s)
            request.marks.clear()
            again = worker.pipeline.run(request, time.monotonic_ns, time.time(), start)
        return (None if isinstance(again, Wait) else again), start

    async def _admit_body(self, request: Request, body: PhoneBody) -> Answer | None:
        worker = self._worker
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

    async def _refuse(self, refused: Refused, start_ns: int) -> None:
        """Answer what could not even be judged as a request, and end."""
        head_ns = time.monotonic_ns()
        trace, parent_id = self._trace(None)
        request = Request("-", b"", (), source=self.flow.handover.source_ip, trace=trace)
        self.tries = []
        self.flow.requests += 1
        self.keep_alive = False
        self.head_sent = False
        self.answered = b""
        bytes_out = self.transport.bytes_out
        try:
            await self.send_answer(request, _refusal(refused))
        except PeerGone:
            return
        finally:
            self._remember(request, None, parent_id, start_ns, head_ns, bytes_out, 0, None)
        self.transport.end_sending()
        await self._linger()

    def _trace(self, traceparent: bytes | None) -> tuple[TraceContext, str]:
        """Our server span's position, and the span it hangs under."""
        # One draw for both ids.  All zeros would be invalid; the chance is 2 ** -64.
        digits = self._worker.dice.randbytes(24).hex()
        if traceparent is not None:
            context = parse_traceparent(traceparent)
            if context is not None:
                # The border decides about sampling itself; the random bit is the sender's to set.
                flags = SAMPLED | context.flags & RANDOM
                return TraceContext(context.trace_id, digits[32:], flags), context.span_id
        return TraceContext(digits[:32], digits[32:]), ""

    def _remember(
        self,
        request: Request,
        head: Head | None,
        parent_id: str,
        start_ns: int,
        head_ns: int,
        bytes_out: int,
        first_stage: int,
        body: PhoneBody | None,
    ) -> None:
        flow, worker = self.flow, self._worker
        worker.remember(
            Record(
                request.trace.trace_id,
                request.trace.span_id,
                parent_id,
                request.trace.flags,
                head is not None and head.block.keep_trace,
                flow,
                flow.requests == 1,
                start_ns,
                end_ns := time.monotonic_ns(),
                end_ns * 1e-9 + worker.unix_offset,
                request.method,
                request.target[:TEXT_MAX],
                request.route.name if request.route is not None else "",
                self.status,
                self.flag,
                self.why,
                request.account,
                body.bytes_read if body is not None else 0,
                self.transport.bytes_out - bytes_out,
                head_ns,
                request.marks,
                worker.pipeline.names,
                first_stage,
                request.why,
                self.tries,
                worker.revision,
                (request.header(b"user-agent") or b"")[:TEXT_MAX],
                request.headers,
                self.answered,
            )
        )

    # -- what is sent -----------------------------------------------------------------

    async def send(self, data: bytes) -> None:
        """To the phone.  Raises `PeerGone`."""
        self.head_sent = True
        await self.transport.send(data)

    async def send_answer(self, request: Request, answer: Answer) -> None:
        """An answer of the edge's own.  Raises `PeerGone`."""
        self.status, self.why = answer.status, answer.why
        if answer.reason not in ("", "HIT"):
            self.flag = answer.reason
        lines = self._heads.own_lines(request, None, time.monotonic_ns())
        if request.route is not None:
            lines = request.route.response_lines + lines
        if not _has_date(answer):
            lines += self._worker.date_line
        data, body_bytes = answers.answer_bytes(
            answer,
            lines=request.reply_lines + lines,
            trace_id=request.trace.trace_id,
            method=request.method,
            close=not self.keep_alive,
            hop=self._worker.name,
        )
        self.answered = data[: len(data) - body_bytes]
        await self.send(data)

    def reply_head(
        self, request: Request, reply: ReplyHead, framing: bytes, attempt: Try, *, upgrade: bool = False
    ) -> bytes:
        """The head of a service's answer, written anew for the phone."""
        if upgrade:
            framing = b"connection: upgrade\r\nupgrade: %b\r\n" % reply.upgrade
        elif not self.keep_alive:
            framing += answers.CLOSE
        self.answered = self._heads.for_phone(request, reply, framing, attempt, time.monotonic_ns())
        return self.answered

    def request_head(
        self, request: Request, head: Head, body: PhoneBody | None, attempt: Try, deadline: float
    ) -> bytes:
        """The head for the service, written anew."""
        length = 0 if body is None else body.length
        return self._heads.for_service(request, head, length, attempt.span_id, deadline - time.monotonic())

    # -- small services to the forwarder ------------------------------------------------

    def wait_for_service(self, deadline: float) -> None:
        """From here on it is the service that has to do something until `deadline`."""
        self.transport.phase = UPSTREAM
        self.transport.deadline = deadline

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


def _fields_of(head: Head) -> Fields:
    authority = head.line.authority
    if authority is None:
        return head.block.fields
    # RFC 9112 section 3.2.2: absolute-form replaces what Host said, for every stage too; the
    # cache would else store one host's answer for another.
    others = (pair for pair in head.block.fields if pair[0] != b"host")
    return ((b"host", authority), *others)


def _has_date(answer: Answer) -> bool:
    # What the cache serves again keeps the date of its making (RFC 9110 section 6.6.1).
    return answer.reason == "HIT" and any(name == b"date" for name, _ in answer.headers)
