"""What is being done for the request that a connection is serving?  [I/O]

The half of a connection that never waits: from a judged head to a `Request`,
through the pipeline, to the heads that are sent and the record that remains.  Two
callers share it, so that a request is served in one way only: the connection's own
task (`edge.l7.connection`), which can wait for anything, and the express
(`edge.l7.express`), which serves the usual request without waking that task.
"""

import time
from typing import TYPE_CHECKING

from edge.common.trace import RANDOM, SAMPLED, TraceContext, parse_traceparent
from edge.l7 import answers
from edge.l7.fetch import Fields
from edge.l7.http1.head import Head, Known
from edge.l7.http1.reply_head import ReplyHead
from edge.l7.outgoing import Heads
from edge.l7.phone_body import PhoneBody
from edge.l7.record import TEXT_MAX, Flow, Record, Try
from edge.l7.request import Request
from edge.l7.transport import UPSTREAM, Transport
from edge.l7.upstream.pool import Channel
from edge.l7.verdict import Answer, Verdict

if TYPE_CHECKING:
    from edge.l7.worker import Worker


class Serving:
    """One connection's requests, one after the other."""

    __slots__ = (
        "_bytes_before",
        "_heads",
        "_parent_id",
        "_plain",
        "answered",
        "channel",
        "first_stage",
        "flag",
        "flow",
        "head",
        "head_ns",
        "head_sent",
        "heard_all",
        "hop",
        "keep_alive",
        "request",
        "server_name",
        "start_ns",
        "status",
        "tls_version",
        "transport",
        "tries",
        "why",
        "worker",
    )

    def __init__(self, worker: "Worker", transport: Transport, flow: Flow) -> None:
        self.worker = worker
        self.transport = transport
        self.flow = flow
        self.hop = worker.hop
        self.tls_version = ""
        self.server_name = ""
        self._plain = flow.handover.listener == "http"
        self._heads = Heads(worker.hop, flow, encrypted=transport.tls is not None)
        # Of the request that is being served.
        self.request: Request | None = None
        self.head: Head | None = None
        self.channel: Channel | None = None
        self.tries: list[Try] = []
        self.first_stage = 0  # of those that `marks` tell about
        self.keep_alive = True
        self.heard_all = False  # the phone has said that this request was its last, and it is read to its end
        self.head_sent = False
        self.status = 0
        self.flag = "-"
        self.why = ""
        self.answered = b""  # the head that went to the phone
        self.start_ns = 0
        self.head_ns = 0
        self._bytes_before = 0
        self._parent_id = ""

    # -- a request's life --------------------------------------------------------------

    def begin(self, head: Head | None) -> Request:
        """A head is here, judged (None: refused); `start_ns` says when its first byte was."""
        flow, worker = self.flow, self.worker
        self.head = head
        self.tries = []
        self.first_stage = 0
        self.head_sent = False
        self.status = 0
        self.flag, self.why, self.answered = "-", "", b""
        self._bytes_before = self.transport.bytes_out
        flow.requests += 1
        self.head_ns = time.monotonic_ns()
        if head is None:
            self.keep_alive = False
            request = Request("-", b"", (), source=flow.handover.source_ip, trace=self._trace(None))
        else:
            block, line, handover = head.block, head.line, flow.handover
            self.keep_alive = block.keep_alive and not worker.draining
            request = Request(
                line.method,
                line.target,
                block.fields if line.authority is None else _fields_of(head),
                host=block.host,
                body_expected=head.body != 0,
                source=handover.source_ip,
                listener=handover.listener,
                tls_version=self.tls_version,
                server_name=self.server_name,
                conn_id=handover.conn_id,
                caller=flow.caller,
                trace=self._trace(block.traceparent),
            )
        self.request = request
        return request

    def judge(self, request: Request, known: Known | None = None) -> Verdict:
        """What the stages say; `known`: of a head that came before."""
        worker = self.worker
        if self._plain:
            return worker.redirect(request)
        unix_now = self.head_ns * 1e-9 + worker.unix_offset
        return worker.pipeline.run(request, time.monotonic_ns, unix_now, 0, known)

    def end(self, request: Request, body: PhoneBody | None = None) -> int:
        """The request is over, one way or another; returns when, in nanoseconds."""
        worker = self.worker
        if request.fetch is not None:
            whole = self.status != 0 and self.flag == "-" and self.head_sent
            request.fetch.end(whole, time.monotonic(), self.unix_now())
            worker.release(request.fetch.token)
        if worker.stages.experiment.watches() and request.route is not None and self.status:
            worker.stages.experiment.learn(request.route, self.status < 500)
        flow, head, trace, route = self.flow, self.head, request.trace, request.route
        end_ns = time.monotonic_ns()
        worker.ledger.add(
            Record(
                trace.trace_id,
                trace.span_id,
                self._parent_id,
                trace.flags,
                head is not None and head.block.keep_trace,
                flow,
                flow.requests == 1,
                self.start_ns,
                end_ns,
                end_ns * 1e-9 + worker.unix_offset,
                request.method,
                request.target[:TEXT_MAX],
                route.name if route is not None else "",
                self.status,
                self.flag,
                self.why,
                request.account,
                body.bytes_read if body is not None else 0,
                self.transport.bytes_out - self._bytes_before,
                self.head_ns,
                request.marks,
                worker.pipeline.names,
                self.first_stage,
                request.why,
                self.tries,
                worker.revision,
                head.block.user_agent[:TEXT_MAX] if head is not None else b"",
                request.headers,
                self.answered,
                request.exposed,
            )
        )
        self.heard_all = (
            head is not None
            and not head.block.keep_alive
            and (body is None or body.complete)
            and not head.upgrade
        )
        self.request = self.head = None
        return end_ns

    def unix_now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def _trace(self, traceparent: bytes | None) -> TraceContext:
        """Our server span's position; the span it hangs under is noted beside it."""
        # One draw for both ids.  All zeros would be invalid; the chance is 2 ** -64.
        digits = self.worker.dice.randbytes(24).hex()
        if traceparent is not None:
            context = parse_traceparent(traceparent)
            if context is not None:
                # The border decides about sampling itself; the random bit is the sender's to set.
                self._parent_id = context.span_id
                return TraceContext(context.trace_id, digits[32:], SAMPLED | context.flags & RANDOM)
        self._parent_id = ""
        return TraceContext(digits[:32], digits[32:])

    # -- what is sent ------------------------------------------------------------------

    def answer_bytes(self, request: Request, answer: Answer) -> bytes:
        """An answer of the edge's own, whole."""
        self.status, self.why = answer.status, answer.why
        if answer.reason not in ("", "HIT"):
            self.flag = answer.reason
        self.head_sent = True
        lines = self._heads.own_lines(request, None, time.monotonic_ns())
        if request.route is not None:
            lines = request.route.response_lines + lines
        if not _has_date(answer):
            lines += self.worker.date_line
        data, body_bytes = answers.answer_bytes(
            answer,
            lines=request.reply_lines + lines,
            trace_id=request.trace.trace_id,
            method=request.method,
            close=not self.keep_alive,
            hop=self.worker.name,
        )
        self.answered = data[: len(data) - body_bytes]
        return data

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

    def whole_reply(self, request: Request, reply: ReplyHead, body: bytes, attempt: Try) -> bytes:
        """A service's answer all of which is here: one message, for one write."""
        self.status = reply.status
        self.head_sent = True
        # Without a length there is no body either (HEAD, 204, 304): else `length` would not be 0.
        told = reply.told_length
        framing = b"content-length: %d\r\n" % told if told >= 0 and reply.status != 204 else b""
        return self.reply_head(request, reply, framing, attempt) + body

    def request_head(
        self, request: Request, head: Head, body: PhoneBody | None, attempt: Try, deadline: float
    ) -> bytes:
        """The head for the service, written anew."""
        length = 0 if body is None else body.length
        left_s = deadline - attempt.connected_ns * 1e-9
        return self._heads.for_service(request, head, length, attempt.span_id, left_s)

    def wait_for_service(self, deadline: float) -> None:
        """From here on it is the service that has to do something until `deadline`."""
        self.transport.phase = UPSTREAM
        self.transport.deadline = deadline


def _fields_of(head: Head) -> Fields:
    # RFC 9112 section 3.2.2: absolute-form replaces what Host said, for every stage too; the
    # cache would else store one host's answer for another.
    others = (pair for pair in head.block.fields if pair[0] != b"host")
    assert head.line.authority is not None, "asked for absolute-form only"
    return ((b"host", head.line.authority), *others)


def _has_date(answer: Answer) -> bool:
    # What the cache serves again keeps the date of its making (RFC 9110 section 6.6.1).
    return answer.reason == "HIT" and any(name == b"date" for name, _ in answer.headers)
