"""Ask another service, over kept-alive connections.  [I/O]

Connections are kept per address and the one used last is taken first, so a
quiet pool shrinks to what is needed.  Each request leaves a CLIENT span and
sends `traceparent` and the time that is left; each is bounded by its timeout,
and a connection whose request did not end well is closed, never kept.

A kept connection may have been closed by the other side while we were writing
(RFC 9112 section 9.3.1 admits the race).  If it closed before the first byte of
an answer, the request goes out once more on a new connection, unless doing it twice
could do harm.
"""

import h11
import trio

from edge.common.errors import EdgeError
from edge.common.header_fields import REQUEST, RESPONSE, told, without_secrets
from edge.common.http_messages import Header, HttpReply
from edge.common.recorder import Recorder, new_span_id, now_ns
from edge.common.spans import CLIENT, Attribute
from edge.common.trace import TraceContext

READ_BYTES = 64 * 1024
REPLY_BYTES_MAX = 1024 * 1024
CONNECT_TIMEOUT_S = 1.0  # on one host a connect that takes longer has met a full backlog
IDLE_S = 20.0  # well under the server's 75 s, or the keep-alive race bites
CONNECTIONS_MAX = 64  # of one address; more would only queue inside the service
KEPT_MAX = 16

_SAFE = {"GET", "HEAD", "OPTIONS"}

Address = tuple[str, int]


class Unreachable(EdgeError):
    """Nothing was answered: refused, reset, or too many requests on the way already."""

    blame = "service"
    retryable = True
    status_hint = 503


class TooSlow(EdgeError):
    """The answer did not come in time; whether the work was done is not known."""

    blame = "service"
    status_hint = 504


class BadReply(EdgeError):
    """What came back is no HTTP, too large, or broke off."""

    blame = "service"
    status_hint = 503


class _Stale(Exception):
    """A kept connection turned out to be closed before anything was answered."""


class _Kept:
    __slots__ = ("h11", "since", "stream")

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.h11 = h11.Connection(h11.CLIENT)
        self.since = 0.0

    def is_usable(self, now: float) -> bool:
        # Readable while idle means that the other side closed it (or talks out of turn).
        return now - self.since < IDLE_S and not self.stream.socket.is_readable()


class _Pool:
    __slots__ = ("in_use", "kept")

    def __init__(self) -> None:
        self.kept: list[_Kept] = []
        self.in_use = 0


class HttpClient:
    """The connections of one process to the services it calls."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._pools: dict[Address, _Pool] = {}

    async def request(
        self,
        method: str,
        address: Address,
        target: str,
        *,
        trace: TraceContext,
        timeout_s: float,
        headers: tuple[Header, ...] = (),
        body: bytes = b"",
        peer: str = "",
        route: str = "",
        resend: int = 0,
        repeatable: bool = False,
    ) -> HttpReply:
        """One request to `address`; the whole reply, of any status.

        `repeatable` says of a POST that doing it twice does no harm.

        `trace` is the span that asks; `peer` the service's name, `route` the
        target's pattern, `resend` how often this was tried before, all three for
        the span.  Raises `Unreachable`, `TooSlow` or `BadReply`.
        """
        mine = trace.child(new_span_id())
        attributes: dict[str, Attribute] = {
            "http.request.method": method,
            "server.address": address[0],
            "server.port": address[1],
            "url.full": without_secrets(f"http://{address[0]}:{address[1]}{target}"),
        }
        if peer:
            attributes["service.peer.name"] = peer
        if resend:
            attributes["http.request.resend_count"] = resend
        head: list[Header] = [
            (b"host", f"{address[0]}:{address[1]}".encode()),
            (b"traceparent", mine.header().encode()),
            (b"x-request-id", mine.trace_id.encode()),
            (b"edge-deadline-ms", b"%d" % max(1, int(timeout_s * 1000))),
            *headers,
        ]
        if trace.keep:
            head.append((b"edge-trace", b"1"))
            attributes |= told(REQUEST, head)
        if body or method not in _SAFE:
            head.append((b"content-length", b"%d" % len(body)))
        message = h11.Request(method=method, target=target, headers=head)
        start_ns, error = now_ns(), "cancelled"
        try:
            with trio.move_on_after(timeout_s):
                reply = await self._exchange(
                    address, message, body, attributes, repeatable or method in _SAFE
                )
                attributes["http.response.status_code"] = reply.status
                if trace.keep:
                    attributes |= told(RESPONSE, reply.headers)
                error = str(reply.status) if reply.status >= 400 else ""
                return reply
            error = "timeout"
            raise TooSlow(f"{peer or address} gave no answer within {timeout_s * 1000:.0f} ms")
        except (Unreachable, BadReply) as failure:
            error = type(failure).__name__
            raise
        finally:
            if error:
                attributes["error.type"] = error
            name = f"{method} {route}" if route else method
            self._recorder.record(
                mine, trace.span_id, name, CLIENT, start_ns, error=error, attributes=attributes
            )

    async def aclose(self) -> None:
        """Close what is kept."""
        for pool in self._pools.values():
            while pool.kept:
                await trio.aclose_forcefully(pool.kept.pop().stream)

    async def _exchange(
        self,
        address: Address,
        message: h11.Request,
        body: bytes,
        attributes: dict[str, Attribute],
        repeatable: bool,
    ) -> HttpReply:
        pool = self._pools.get(address)
        if pool is None:
            self._forget_unused()
            pool = self._pools[address] = _Pool()
        if pool.in_use >= CONNECTIONS_MAX:
            raise Unreachable(f"{address} has {CONNECTIONS_MAX} requests of ours already")
        pool.in_use += 1
        try:
            kept = await _take(pool)
            attributes["edge.conn.reused"] = kept is not None
            if kept is not None:
                try:
                    return await _ask(kept, message, body, pool, reused=True)
                except _Stale:
                    if not repeatable:
                        raise BadReply("the connection was closed while we wrote") from None
            return await _ask(await _connect(address), message, body, pool, reused=False)
        finally:
            pool.in_use -= 1

    def _forget_unused(self) -> None:
        # Instances on any free port come back at another address after each restart.
        for address in [
            address for address, pool in self._pools.items() if not pool.in_use and not pool.kept
        ]:
            del self._pools[address]


async def _take(pool: _Pool) -> _Kept | None:
    now = trio.current_time()
    while pool.kept:
        kept = pool.kept.pop()
        if kept.is_usable(now):
            return kept
        await trio.aclose_forcefully(kept.stream)
    return None


async def _connect(address: Address) -> _Kept:
    # Services live at numeric addresses: no resolver, no race between two families.
    unconnected = trio.socket.socket()
    try:
        with trio.fail_after(CONNECT_TIMEOUT_S):
            await unconnected.connect(address)
    except BaseException as error:
        unconnected.close()
        if isinstance(error, OSError):
            raise Unreachable(f"{address[0]}:{address[1]}: {error}") from error
        if isinstance(error, trio.TooSlowError):
            raise Unreachable(f"{address[0]}:{address[1]} takes no connection") from error
        raise
    return _Kept(trio.SocketStream(unconnected))


async def _ask(kept: _Kept, message: h11.Request, body: bytes, pool: _Pool, *, reused: bool) -> HttpReply:
    good = False
    try:
        reply = await _converse(kept, message, body, reused)
        if kept.h11.our_state is h11.DONE and kept.h11.their_state is h11.DONE and len(pool.kept) < KEPT_MAX:
            kept.h11.start_next_cycle()
            kept.since = trio.current_time()
            pool.kept.append(kept)
            good = True
        return reply
    finally:
        if not good:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(kept.stream)


async def _converse(kept: _Kept, message: h11.Request, body: bytes, reused: bool) -> HttpReply:
    connection, stream = kept.h11, kept.stream
    pieces = [connection.send(message) or b""]
    if body:
        pieces.append(connection.send(h11.Data(data=body)) or b"")
    pieces.append(connection.send(h11.EndOfMessage()) or b"")
    answered = False
    response: h11.Response | None = None
    content: list[bytes] = []
    size = 0
    try:
        await stream.send_all(b"".join(pieces))
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                data = bytes(await stream.receive_some(READ_BYTES))
                if not data and not answered:
                    raise trio.BrokenResourceError("closed before the first byte of an answer")
                answered = True
                connection.receive_data(data)
            elif isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                size += len(event.data)
                if size > REPLY_BYTES_MAX:
                    raise BadReply(f"the reply is larger than {REPLY_BYTES_MAX} bytes")
                content.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                break
    except trio.BrokenResourceError as error:
        if answered:
            raise BadReply("the reply broke off") from error
        if reused:
            raise _Stale from error
        raise Unreachable(str(error)) from error
    except h11.RemoteProtocolError as error:
        raise BadReply(f"the reply is no HTTP: {error}") from error
    assert response is not None, "h11 ends a message only behind its head"
    headers = tuple((bytes(name), bytes(value)) for name, value in response.headers)
    return HttpReply(response.status_code, headers, b"".join(content))
