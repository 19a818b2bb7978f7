"""What do the heads say that the edge writes itself, towards the phone and the service?

Nothing of framing, connection or identity is copied from what came in.  A head
is one `%` over fragments: those of the connection are made once, those of the
field block once per block (`Block.forward`), those of the route once per
configuration; what is left per request is ids and times.
"""

from typing import Final

from edge.l7.answers import CHUNKED_LINE, status_line
from edge.l7.http1.head import Head
from edge.l7.http1.reply_head import ReplyHead
from edge.l7.http1.rules import CHUNKED
from edge.l7.record import Flow, Try
from edge.l7.request import Request
from edge.l7.stages.route_table import upstream_path

# Methods whose content a service expects; without any, it is told so (RFC 9110 section 8.6).
_WITH_CONTENT: Final = frozenset(("POST", "PUT", "PATCH"))
# Never for addresses or localhost, where it would upgrade every other server of the user.
_HSTS: Final = b"strict-transport-security: max-age=31536000\r\n"
_HSTS_DOMAIN: Final = ".test"
# Not asked of a service whose answers the firewall reads: in pieces that the phone chooses no leak is whole.
_UNREADABLE: Final = frozenset((b"accept-encoding", b"range", b"if-range"))
_FOR_SERVICE: Final = (
    b"%b%btraceparent: 00-%b-%b-%02x\r\nx-request-id: %b\r\nedge-deadline-ms: %d\r\n%b%b\r\n"
)


class Heads:
    """Writes the heads of one connection."""

    __slots__ = ("_encrypted", "_flow", "_forwarding", "_hop", "_host")

    def __init__(self, hop: bytes, flow: Flow, *, encrypted: bool) -> None:
        self._hop = hop  # our pseudonym in Via and Forwarded
        self._flow = flow
        self._encrypted = encrypted
        self._host: bytes | None = None  # for which `_forwarding` was made
        self._forwarding = b""

    # -- towards the phone --------------------------------------------------------------

    def for_phone(
        self, request: Request, reply: ReplyHead, framing: bytes, attempt: Try, now_ns: int
    ) -> bytes:
        """The head of a service's answer; `framing` are the lines on length and connection."""
        route = request.route
        forward = reply.forward
        extra = request.reply_lines
        if route is not None:
            extra = route.response_lines + extra
            if route.drop_response:
                forward = _without(forward, route.drop_response)
        if request.fetch is not None:
            extra += request.fetch.reply_lines()
        return b"%b%b%b%b%b\r\n" % (
            status_line(reply.status),
            forward,
            extra,
            self.own_lines(request, attempt, now_ns, reply.server_timing),
            framing,
        )

    def own_lines(self, request: Request, attempt: Try | None, now_ns: int, timing: bytes = b"") -> bytes:
        """Request id, Via and Server-Timing: where an answer came from and how long it took."""
        marks = request.marks
        judged_ms = (marks[-1] - marks[0]) / 1e6 if marks else 0.0
        first = self._first_timing() if self._flow.requests == 1 else b""
        trace = request.trace
        trace_id = trace.trace_id.encode()
        hsts = _HSTS if self._encrypted and request.host.endswith(_HSTS_DOMAIN) else b""
        if timing:
            timing = b", " + timing
        if attempt is None:
            return (
                b"x-request-id: %b\r\nvia: 1.1 %b\r\n%b"
                b"server-timing: %bl7;dur=%.2f, trace;desc=00-%b-%b-%02x\r\n"
                % (trace_id, self._hop, hsts, first, judged_ms, trace_id, trace.span_id.encode(), trace.flags)
            )
        connected_ns = attempt.connected_ns
        return (
            b"x-request-id: %b\r\nvia: 1.1 %b\r\n%b"
            b"server-timing: %bl7;dur=%.2f, queue;dur=%.2f, upstream;dur=%.2f;desc=%b, "
            b"trace;desc=00-%b-%b-%02x%b\r\n"
            % (
                trace_id,
                self._hop,
                hsts,
                first,
                judged_ms,
                (connected_ns - marks[-1]) / 1e6 if marks else 0.0,
                (now_ns - connected_ns) / 1e6,
                b'"%b"' % attempt.endpoint.encode(),
                trace_id,
                trace.span_id.encode(),
                trace.flags,
                timing,
            )
        )

    def _first_timing(self) -> bytes:
        flow = self._flow
        text = b"l4;dur=%.2f, " % ((flow.received_ns - flow.handover.accepted_ns) / 1e6)
        if flow.tls_end_ns:
            kind = b"resumed" if flow.tls["tls.resumed"] else b"new"
            version = str(flow.tls["tls.protocol.version"]).encode()
            spent_ms = (flow.tls_end_ns - flow.tls_start_ns) / 1e6
            text += b'tls;dur=%.2f;desc="TLSv%b %b", ' % (spent_ms, version, kind)
        return text

    # -- towards the service ------------------------------------------------------------

    def for_service(
        self, request: Request, head: Head, body_length: int, span_id: str, left_s: float
    ) -> bytes:
        """The head of the request; `left_s` is the time that the service has."""
        passed = request.passed
        if passed is None or request.fetch is not None or request.route is not passed.route:
            before, behind = _onward(request, head, body_length)
        else:
            before, behind = passed.onward or _onward(request, head, body_length)
            passed.onward = before, behind
        host = head.block.host_value
        if host is not self._host:
            self._host = host
            self._forwarding = self._who(host)
        trace = request.trace
        trace_id = trace.trace_id.encode()
        return _FOR_SERVICE % (
            before,
            self._forwarding,
            trace_id,
            span_id.encode(),
            trace.flags,
            trace_id,
            max(1, int(left_s * 1000)),
            request.upstream_lines,
            behind,
        )

    def _who(self, host: bytes) -> bytes:
        """Who is calling, from what L4 knows (RFC 7239, and the names from before it)."""
        handover = self._flow.handover
        source = handover.source_ip.encode()
        node = b'"[%b]:%d"' % (source, handover.source_port) if b":" in source else source
        proto = handover.listener.encode()
        lines = b"via: 1.1 %b\r\nforwarded: for=%b;by=_%b;proto=%b" % (self._hop, node, self._hop, proto)
        if host:
            lines += b';host="%b"\r\nx-forwarded-host: %b' % (host, host)
        return lines + b"\r\nx-forwarded-for: %b\r\nx-forwarded-proto: %b\r\n" % (source, proto)


def _onward(request: Request, head: Head, body_length: int) -> tuple[bytes, bytes]:
    """The lines for the service that depend on nothing but head and route, before and behind the ids."""
    block, route = head.block, request.route
    assert route is not None, "only what has a route is forwarded"
    forward, behind = block.forward, b""
    if route.reads_answers:
        forward = _without(forward, _UNREADABLE)
    if request.fetch is not None:
        forward = _without(forward, request.fetch.drop_request_fields())
        behind = b"".join([b"%b: %b\r\n" % field for field in request.fetch.request_fields()])
    framing = b""
    if body_length == CHUNKED:
        framing = CHUNKED_LINE
    elif body_length or request.method in _WITH_CONTENT:
        framing = b"content-length: %d\r\n" % body_length
    elif head.upgrade:
        framing = b"connection: upgrade\r\nupgrade: %b\r\n" % head.upgrade
    if block.tracestate is not None:
        behind += b"tracestate: %b\r\n" % block.tracestate
    if block.keep_trace:
        behind += b"edge-trace: 1\r\n"
    before = b"%b %b HTTP/1.1\r\nhost: %b\r\n%b%b" % (
        request.method.encode(),
        target_of(request),
        block.host_value or b"edge",
        forward,
        framing,
    )
    return before, behind + route.request_lines


def target_of(request: Request) -> bytes:
    """The target for the service: the normal form that all stages saw, after the route's rewriting."""
    route = request.route
    path = request.path if route is None else upstream_path(route, request.path)
    return b"%b?%b" % (path.encode(), request.query) if request.query else path.encode()


def _without(lines: bytes, names: frozenset[bytes]) -> bytes:
    if not names:
        return lines
    kept = [line for line in lines.split(b"\r\n") if line and line.partition(b":")[0].lower() not in names]
    return b"".join([line + b"\r\n" for line in kept])
