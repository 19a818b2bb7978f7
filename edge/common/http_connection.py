"""One HTTP/1.1 connection of a service: read, let answer, write, again.  [I/O]

h11 judges what comes in and frames what goes out; this module moves the bytes
and keeps the clock.  A body is read when the handler asks for it and an answer
is written piece by piece, so neither is ever held here.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

import h11
import trio

from edge.common.header_fields import RESPONSE, told
from edge.common.http_faults import CutOff, reset_on_close
from edge.common.http_host import Host
from edge.common.http_messages import REASONS, Header, HttpRequest, HttpResponse, Refusal, problem
from edge.common.recorder import new_span_id, new_trace, now_ns
from edge.common.trace import parse_traceparent

# One read's worth; Trio, httpcore and Hypercorn all read 64 KiB at a time.
READ_BYTES = 64 * 1024
# An unread rest of a body up to this size is cheaper to swallow than a new connection.
SWALLOW_BYTES_MAX = 64 * 1024
# Envoy's delayed close: the caller gets to read the answer before the reset.
LINGER_S = 1.0

_GONE = (trio.BrokenResourceError, trio.ClosedResourceError)
_CLOSE: Header = (b"connection", b"close")
_NOT_BEGUN: tuple[Header, ...] = ((b"edge-unprocessed", b"draining"), _CLOSE)


async def serve_connection(stream: trio.abc.HalfCloseableStream, host: Host) -> None:
    """Answer the requests of one connection, and close it."""
    host.connections.value += 1
    connection = _Connection(stream, host)
    try:
        await connection.run()
    except _GONE:
        pass  # the caller hung up; its balancer knows why
    except CutOff:
        connection.end_unanswered()
        reset_on_close(stream)
    except Exception as error:
        # The one place where a bug is caught: it ends this connection and no other.
        host.log.error("http.bug", error=repr(error), route=connection.route)
        await connection.confess(error)
    finally:
        host.connections.value -= 1
        await trio.aclose_forcefully(stream)


class _Connection:
    def __init__(self, stream: trio.abc.HalfCloseableStream, host: Host) -> None:
        self._stream = stream
        self._host = host
        self._limits = host.limits
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=host.limits.head_bytes_max)
        self._request: HttpRequest | None = None  # the one being answered
        self._parent_id = ""
        self._start_ns = 0
        self._end_ns = 0
        self._version = "1.1"

    @property
    def route(self) -> str:
        return self._request.route if self._request is not None else ""

    async def run(self) -> None:
        try:
            while (head := await self._next_head()) is not None:
                request = self._begin(head)
                response = await self._host.answer(request)
                if response.takeover is not None:
                    await self._hand_over(response)
                    return
                await self._answer(response)
                if not await self._ready_for_next():
                    return
        except h11.RemoteProtocolError as error:
            await self._refuse_bytes(error)

    def end_unanswered(self) -> None:
        """The request in hand gets no answer; its span says so."""
        self._end(0, "cut_off")

    async def confess(self, error: Exception) -> None:
        """After a bug: say 500 if nothing has been said yet."""
        request = self._request
        if request is None:
            return
        if self._h11.our_state is not h11.SEND_RESPONSE:
            self._end(500, type(error).__name__)
            return
        detail = "this service has a bug; its log has the rest"
        try:
            await self._answer(
                problem(500, "bug", detail, trace_id=request.trace.trace_id), type(error).__name__
            )
        except _GONE:
            pass  # nobody is left to be told

    # -- reading ---------------------------------------------------------------------

    async def _next_head(self) -> h11.Request | None:
        """The next request's head; None when there will be none."""
        event = self._h11.next_event()
        if event is h11.NEED_DATA:
            data = await self._wait_idle()
            if not data:
                return None
            self._h11.receive_data(data)
            event = self._h11.next_event()
            if event is h11.NEED_DATA:
                with trio.move_on_after(self._limits.head_timeout_s) as patience:
                    while event is h11.NEED_DATA:
                        self._h11.receive_data(bytes(await self._stream.receive_some(READ_BYTES)))
                        event = self._h11.next_event()
                if patience.cancelled_caught:
                    await self._write(problem(408, "head-timeout", "the request's head took too long"), True)
                    return None
        return event if isinstance(event, h11.Request) else None

    async def _wait_idle(self) -> bytes:
        if self._host.closing:
            return b""
        with trio.move_on_after(self._limits.idle_timeout_s) as scope:
            self._host.waiting.add(scope)  # a drain ends the wait by cancelling it
            try:
                return bytes(await self._stream.receive_some(READ_BYTES))
            finally:
                self._host.waiting.discard(scope)
        return b""

    async def _receive_body(self) -> bytes:
        """The next piece of the request's body, b"" behind the last."""
        while True:
            event = self._h11.next_event()
            if isinstance(event, h11.Data):
                return bytes(event.data)
            if event is not h11.NEED_DATA:
                return b""  # EndOfMessage, or PAUSED behind it
            if self._h11.they_are_waiting_for_100_continue:
                await self._send(h11.InformationalResponse(status_code=100, headers=[], reason=REASONS[100]))
            if not self._host.closing:
                with trio.move_on_after(self._limits.body_timeout_s) as scope:
                    self._host.waiting.add(scope)
                    try:
                        self._h11.receive_data(bytes(await self._stream.receive_some(READ_BYTES)))
                    finally:
                        self._host.waiting.discard(scope)
                    continue
            if self._host.closing:
                # No handler of ours does anything before it has read its body, so whoever still
                # holds that may give it to another copy (Meta's Partial Post Replay, ADR 14).
                raise Refusal(503, "draining", "this copy ends before the body is here", _NOT_BEGUN)
            raise Refusal(408, "body-timeout", "the request's body took too long", (_CLOSE,))

    def _begin(self, head: h11.Request) -> HttpRequest:
        self._start_ns = now_ns()
        self._version = head.http_version.decode()
        headers = cast("tuple[Header, ...]", tuple(head.headers))
        incoming, left_ms, body_expected, keep = None, b"", False, False
        for name, value in headers:
            if name == b"traceparent":
                incoming = parse_traceparent(value)
            elif name == b"edge-deadline-ms":
                left_ms = value
            elif name == b"edge-trace":
                keep = value == b"1"
            elif name in {b"content-length", b"transfer-encoding"}:
                body_expected = value != b"0"
        deadline = None
        if left_ms.isdigit() and len(left_ms) <= 9:
            deadline = trio.current_time() + int(left_ms) / 1000
        self._parent_id = "" if incoming is None else incoming.span_id
        trace = new_trace() if incoming is None else incoming.child(new_span_id())
        self._request = HttpRequest(
            head.method.decode("ascii"),
            head.target,
            headers,
            trace=trace.kept() if keep else trace,
            receive=self._receive_body,
            body_expected=body_expected,
            deadline=deadline,
        )
        self._host.begin()
        return self._request

    async def _ready_for_next(self) -> bool:
        """Swallow what is left of the body; is the connection good for another request?"""
        swallowed = 0
        while self._h11.their_state is h11.SEND_BODY and self._h11.our_state in {h11.DONE, h11.MUST_CLOSE}:
            if self._h11.they_are_waiting_for_100_continue or swallowed > SWALLOW_BYTES_MAX:
                break
            try:
                swallowed += len(await self._receive_body())
            except Refusal:
                break
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            self._h11.start_next_cycle()
            return True
        await self._linger()
        return False

    async def _linger(self) -> None:
        # Closing with unread bytes in our buffer makes the kernel send a reset, which
        # may overtake the answer: say that we are done, and wait for them to be.
        if self._h11.their_state not in {h11.SEND_BODY, h11.ERROR}:
            return
        with trio.move_on_after(LINGER_S):
            await self._stream.send_eof()
            while await self._stream.receive_some(READ_BYTES):
                pass

    # -- answering -------------------------------------------------------------------

    async def _answer(self, response: HttpResponse, error: str = "") -> None:
        # A body that nobody asked for with "100 Continue" will not come, or come late:
        # the connection cannot be told apart from a broken one and ends here.
        last = self._host.draining or self._h11.they_are_waiting_for_100_continue
        try:
            await self._write(response, last)
        except BaseException:
            error = error or "caller_gone"
            raise
        finally:
            self._end(response.status, error)

    async def _write(self, response: HttpResponse, last: bool) -> None:
        request = self._request
        headers = [*response.headers, (b"date", self._host.date())]
        if response.length is not None and response.status != 204:
            headers.append((b"content-length", b"%d" % response.length))
        if request is not None:
            headers.append((b"x-request-id", request.trace.trace_id.encode()))
        if last and _CLOSE not in headers:
            headers.append(_CLOSE)
        if request is not None and request.trace.keep:
            request.attributes |= told(RESPONSE, headers)
        reason = REASONS.get(response.status, b"")
        head = self._h11.send(h11.Response(status_code=response.status, headers=headers, reason=reason))
        assert head is not None
        bodiless = response.status in {204, 304} or (request is not None and request.method == "HEAD")
        if isinstance(response.body, bytes) or bodiless:
            pieces = [head]
            if response.body and not bodiless:
                pieces.append(self._h11.send(h11.Data(data=cast(bytes, response.body))) or b"")
            pieces.append(self._h11.send(h11.EndOfMessage()) or b"")
            self._end_ns = now_ns()
            # One write: with two, Nagle and delayed ACKs cost 40 ms on some other day.
            await self._send_all(b"".join(pieces))
        else:
            await self._send_all(head)
            await self._send_pieces(response.body)

    async def _send_pieces(self, body: AsyncGenerator[bytes, None]) -> None:
        async with aclosing(body):
            async for piece in body:
                if piece:
                    await self._send(h11.Data(data=piece))
        self._end_ns = now_ns()
        await self._send(h11.EndOfMessage())

    async def _send(self, event: h11.Event) -> None:
        data = self._h11.send(event)
        if data:
            await self._send_all(data)

    async def _send_all(self, data: bytes) -> None:
        with trio.move_on_after(self._limits.send_timeout_s) as patience:
            await self._stream.send_all(data)
        if patience.cancelled_caught:
            raise trio.BrokenResourceError("the caller does not take its answer")

    async def _hand_over(self, response: HttpResponse) -> None:
        assert response.takeover is not None
        # h11 has to see the end of the request before it lets go of the connection.
        while await self._receive_body():
            pass
        self._end_ns = now_ns()
        headers = list(response.headers)
        await self._send(h11.InformationalResponse(status_code=101, headers=headers, reason=REASONS[101]))
        # The span tells of the handshake; the conversation behind it may last for hours.
        self._end(101, "")
        early, _ = self._h11.trailing_data
        await response.takeover(self._stream, early)

    async def _refuse_bytes(self, error: h11.RemoteProtocolError) -> None:
        """Answer what is no HTTP, if an answer can still be sent."""
        answer = problem(error.error_status_hint, "bad-request", str(error))
        if self._h11.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            self._end(answer.status, "bad_request")
            return
        await self._answer(answer, "bad_request")
        await self._linger()

    def _end(self, status: int, error: str) -> None:
        request, self._request = self._request, None
        if request is None:
            return
        # Stamped before the last piece is written: by the time a write returns, the
        # caller may have read it, and a child would end after its parent.
        start_ns, end_ns = self._start_ns, self._end_ns
        if end_ns < start_ns:
            end_ns = now_ns()  # it ended before anything was answered
        self._host.finish(request, self._parent_id, start_ns, end_ns, status, error, self._version)
