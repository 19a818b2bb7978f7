"""One request as a phone makes it, each phase stamped.  [I/O]

Resolve, connect, handshake, ask, read: every phase leaves a span on
CLOCK_MONOTONIC, the clock on which all processes of the edge stamp theirs, and
hands its trace context on (in an EDNS option to DNS, in `traceparent` to L7).
A phase that fails leaves its span too: a trace of a failure is worth most.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

import h11
import trio

from edge.common.header_fields import REQUEST, RESPONSE, told
from edge.common.recorder import new_span_id, new_trace, now_ns
from edge.common.spans import CLIENT, Attribute, Span
from edge.common.trace import TraceContext
from edge.phone.connection import Connection, PhoneFailed
from edge.phone.resolve import Resolver

ANSWER_TIMEOUT_S = 20.0
BODY_BYTES_MAX = 64 * 1024 * 1024
USER_AGENT = "edge-phone/0.1"

Header = tuple[str, str]
# Where the phone's socket should really go, given an address and the port in the URL: a
# lab on free ports (`https-port = 0`) listens elsewhere than its URLs say.
PortOf = Callable[[str, int], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the phone asks."""

    host: str
    port: int  # as written in the URL; where to connect is what `Resolve` says
    target: str
    method: str = "GET"
    headers: tuple[Header, ...] = ()
    body: bytes = b""

    @property
    def url(self) -> str:
        """As one would type it."""
        return f"https://{self.host}:{self.port}{self.target}"


@dataclass(slots=True, kw_only=True)
class Call:
    """What became of it."""

    trace_id: str
    root_id: str
    spans: list[Span] = field(default_factory=list)
    status: int = 0
    headers: list[Header] = field(default_factory=list)
    body: bytes = b""
    failed: str = ""

    def header(self, name: str) -> str:
        """The first header of that name (lower case), empty if there is none."""
        return next((value for key, value in self.headers if key == name), "")


class Phone:
    """One phone in one place; keeps its connection and its TLS session between calls."""

    def __init__(
        self, name: str, resolver: Resolver, context: ssl.SSLContext, pid: int, port_of: PortOf | None = None
    ) -> None:
        self._name = name
        self._resolver = resolver
        self._port_of = port_of or (lambda address, port: port)
        self._context = context
        self._pid = pid
        self._connection: Connection | None = None
        self._session: ssl.SSLSession | None = None

    def hang_up(self, *, forget_session: bool = True) -> None:
        """The next call begins with DNS and a new connection; with `forget_session`, a full handshake."""
        if self._connection is not None:
            self._session = self._connection.session or self._session
            self._connection.close()
            self._connection = None
        if forget_session:
            self._session = None

    async def call(self, question: Question) -> Call:
        """Ask, and return whatever came of it; never raises for what the edge did."""
        trace = new_trace()
        call = Call(trace_id=trace.trace_id, root_id=trace.span_id)
        start_ns = now_ns()
        stamps = _Stamps(call, self._name, self._pid, start_ns)
        try:
            with trio.fail_after(ANSWER_TIMEOUT_S):
                if self._connection is not None and self._connection.is_over:
                    # It idled for longer than the edge keeps it, or its worker was replaced.
                    self.hang_up(forget_session=False)
                if self._connection is None:
                    self._connection = await self._connect(question, stamps)
                await self._ask(self._connection, question, call, stamps)
        except trio.TooSlowError:
            call.failed = f"no answer within {ANSWER_TIMEOUT_S:g} s"
        except PhoneFailed as failure:
            call.failed = str(failure)
        if call.failed:
            self.hang_up()
        stamps.root(question)
        return call

    async def _connect(self, question: Question, stamps: "_Stamps") -> Connection:
        span_id, name = new_span_id(), f"dns query {question.host} A"
        with stamps.phase(name, span_id) as attributes:
            here = TraceContext(stamps.call.trace_id, span_id)
            reply, facts = await self._resolver.resolve(question.host, here)
            attributes |= facts
        for number, address in enumerate(reply.addresses):
            port = self._port_of(address, question.port)
            connection = Connection(address, port)
            try:
                with stamps.phase(f"tcp connect {address}:{port}") as attributes:
                    attributes |= {"network.peer.address": address, "network.peer.port": port}
                    await connection.connect()
                with stamps.phase("tls handshake") as attributes:
                    attributes |= await connection.handshake(self._context, question.host, self._session)
            except PhoneFailed:
                connection.close()
                # Happy Eyeballs without the race: the next address, as a plain phone would.
                if number == len(reply.addresses) - 1:
                    raise
                continue
            except BaseException:
                connection.close()
                raise
            return connection
        raise PhoneFailed("dns", "no address")

    async def _ask(self, connection: Connection, question: Question, call: Call, stamps: "_Stamps") -> None:
        span_id = new_span_id()
        http = h11.Connection(h11.CLIENT)
        connection.requests += 1
        headers = _headers(question, TraceContext(call.trace_id, span_id).header())
        with stamps.phase("http request sent → first byte", span_id, kind=CLIENT) as attributes:
            head = h11.Request(
                method=question.method,
                target=question.target,
                headers=headers,
            )
            data = http.send(head) + (http.send(h11.Data(question.body)) if question.body else b"")
            attributes |= told(REQUEST, headers)
            attributes["http.request.body.size"] = len(question.body)
            before_ns = now_ns()
            await connection.send(data + http.send(h11.EndOfMessage()))
            attributes["edge.send_ns"] = now_ns() - before_ns
            first = await connection.receive()
            attributes["edge.conn.reused"] = connection.requests > 1
        with stamps.phase("body received") as attributes:
            await _read(connection, http, first, call)
            attributes |= told(RESPONSE, call.headers)
            attributes["http.response.body.size"] = len(call.body)
        if http.their_state is not h11.DONE or http.our_state is not h11.DONE:
            self.hang_up(forget_session=False)


def _headers(question: Question, traceparent: str) -> list[Header]:
    port = "" if question.port == 443 else f":{question.port}"
    headers = [
        ("host", f"{question.host}{port}"),
        ("user-agent", USER_AGENT),
        ("accept", "*/*"),
        ("traceparent", traceparent),
        ("edge-trace", "1"),
        *question.headers,
    ]
    if question.body or question.method in ("POST", "PUT", "PATCH"):
        headers.append(("content-length", str(len(question.body))))
    return headers


async def _read(connection: Connection, http: h11.Connection, data: bytes, call: Call) -> None:
    parts: list[bytes] = []
    size = 0
    if not data:
        raise PhoneFailed("http", "the edge hung up before it answered")
    try:
        http.receive_data(data)
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(await connection.receive())
            elif isinstance(event, h11.Response):
                call.status = event.status_code
                call.headers = [
                    (name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers
                ]
            elif isinstance(event, h11.Data):
                size += len(event.data)
                if size > BODY_BYTES_MAX:
                    raise PhoneFailed("body", f"larger than {BODY_BYTES_MAX:,} bytes")
                parts.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                call.body = b"".join(parts)
                return
            elif event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                raise PhoneFailed("http", "the edge hung up before it answered")
    except h11.RemoteProtocolError as error:
        raise PhoneFailed("http", f"not a proper answer: {error}") from error


class _Stamps:
    """The spans of one call, in the making."""

    def __init__(self, call: Call, instance: str, pid: int, start_ns: int) -> None:
        self.call = call
        self._instance = instance
        self._pid = pid
        self._start_ns = start_ns

    def phase(self, name: str, span_id: str = "", kind: int = CLIENT) -> "_Phase":
        """A span around a block; what the block puts into the dict becomes its attributes."""
        return _Phase(self, name, span_id or new_span_id(), kind)

    def add(
        self,
        name: str,
        span_id: str,
        parent_id: str,
        start_ns: int,
        kind: int,
        attributes: dict[str, Attribute],
        error: str = "",
    ) -> None:
        self.call.spans.append(
            Span(
                trace_id=self.call.trace_id,
                span_id=span_id,
                parent_id=parent_id,
                name=name,
                service="phone",
                instance=self._instance,
                pid=self._pid,
                kind=kind,
                start_ns=start_ns,
                end_ns=now_ns(),
                error=error,
                attributes=attributes,
            )
        )

    def root(self, question: Question) -> None:
        attributes: dict[str, Attribute] = {
            "http.request.method": question.method,
            "url.full": question.url,
            "http.response.status_code": self.call.status,
        }
        call = self.call
        self.add("phone", call.root_id, "", self._start_ns, CLIENT, attributes, call.failed)


class _Phase:
    def __init__(self, stamps: _Stamps, name: str, span_id: str, kind: int) -> None:
        self._stamps, self._name, self._span_id, self._kind = stamps, name, span_id, kind
        self._attributes: dict[str, Attribute] = {}
        self._start_ns = 0

    def __enter__(self) -> dict[str, Attribute]:
        self._start_ns = now_ns()
        return self._attributes

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        said = "" if error is None else getattr(error, "reason", "") or type(error).__name__
        self._stamps.add(
            self._name,
            self._span_id,
            self._stamps.call.root_id,
            self._start_ns,
            self._kind,
            self._attributes,
            said,
        )
