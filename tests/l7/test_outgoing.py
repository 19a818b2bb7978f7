"""The heads that the edge writes."""

from msgspec.structs import replace

from edge.common.config import RouteConfig
from edge.common.trace import TraceContext
from edge.l7.http1.head import judge
from edge.l7.http1.reply_head import ReplyMemo
from edge.l7.http1.rules import CHUNKED, HeadLimits
from edge.l7.outgoing import Heads, target_of
from edge.l7.request import Request
from edge.l7.route import Route
from tests.kit.l7_records import MS, attempt, flow

TRACE = TraceContext("a" * 32, "b" * 16, 3)
HEAD = b"POST /api/x?y=1 HTTP/1.1\r\nHost: i.edge.test\r\nX-A: b\r\ntracestate: z=1\r\n\r\n"


def _request(config: RouteConfig | None = None, **lines: bytes) -> Request:
    request = Request("POST", b"/api/x?y=1", (), host="i.edge.test", trace=TRACE)
    request.path, request.query = "/api/x", b"y=1"
    request.route = Route("api", "feed", config or RouteConfig(path="/api/*", cluster="feed"), **lines)  # type: ignore[arg-type]
    request.marks = [11 * MS, 12 * MS]
    return request


def _for_service(request: Request, length: int = 0) -> list[bytes]:
    head = judge(HEAD, HeadLimits())
    data = Heads(b"l7-1", flow(), encrypted=True).for_service(request, head, length, "c" * 16, 1.5)
    assert data.endswith(b"\r\n\r\n")
    return data[:-4].split(b"\r\n")


def test_the_service_hears_who_calls_from_l4_and_where_the_trace_goes_on() -> None:
    """RFC 7239, the older names, W3C Trace Context, and the time that is left."""
    lines = _for_service(_request())

    assert lines[0] == b"POST /api/x?y=1 HTTP/1.1"
    assert {
        b"host: i.edge.test",
        b"x-a: b",
        b"x-forwarded-for: 198.51.100.7",
        b"x-forwarded-host: i.edge.test",
        b'forwarded: for=198.51.100.7;by=_l7-1;proto=https;host="i.edge.test"',
        b"via: 1.1 l7-1",
        b"traceparent: 00-" + b"a" * 32 + b"-" + b"c" * 16 + b"-03",
        b"tracestate: z=1",
        b"x-request-id: " + b"a" * 32,
        b"edge-deadline-ms: 1500",
    } <= set(lines)


def test_framing_is_written_anew() -> None:
    """A POST without a body says so; chunks stay chunks; a length is ours."""
    assert b"content-length: 0" in _for_service(_request())
    assert b"content-length: 7" in _for_service(_request(), 7)
    chunked = _for_service(_request(), CHUNKED)
    assert b"transfer-encoding: chunked" in chunked
    assert not [line for line in chunked if line.startswith(b"content-length")]


def test_a_prefix_is_rewritten() -> None:
    """An application of one's own need not know under which path it is mounted."""
    config = RouteConfig(path="/api/*", cluster="feed", rewrite_prefix="/")

    assert target_of(_request(config)) == b"/x?y=1"
    assert target_of(_request(replace(config, rewrite_prefix=""))) == b"/x?y=1"
    assert target_of(_request(replace(config, rewrite_prefix="/v2/"))) == b"/v2/x?y=1"


def test_the_phone_learns_where_the_time_went() -> None:
    """Server-Timing, with L4 and TLS on a connection's first answer only."""
    reply = ReplyMemo(8, 1024).judge(
        b"HTTP/1.1 200 OK\r\nx-b: 1\r\nserver-timing: db;dur=2\r\ncontent-length: 0\r\n\r\n", "GET"
    )
    facts = flow()
    heads = Heads(b"l7-1", facts, encrypted=True)

    first = heads.for_phone(_request(), reply, b"content-length: 0\r\n", attempt(), 33 * MS)
    facts.requests = 2
    second = heads.for_phone(_request(), reply, b"content-length: 0\r\n", attempt(), 33 * MS)

    assert b'l4;dur=2.00, tls;dur=2.00;desc="TLSv1.3 new"' in first
    assert b"tls;dur" not in second
    assert b'upstream;dur=20.00;desc="feed-2"' in second
    assert b"db;dur=2" in second
    assert b"x-b: 1\r\n" in second


def test_a_route_may_add_and_remove_fields() -> None:
    """`set-response-headers` and `remove-response-headers`."""
    reply = ReplyMemo(8, 1024).judge(b"HTTP/1.1 200 OK\r\nServer: x\r\nx-b: 1\r\n\r\n", "HEAD")
    request = _request(response_lines=b"x-c: 2\r\n", drop_response=frozenset((b"server",)))

    head = Heads(b"l7-1", flow(), encrypted=True).for_phone(request, reply, b"", attempt(), 33 * MS)

    assert b"server: x" not in head
    assert b"x-b: 1\r\nx-c: 2\r\n" in head


def test_hsts_is_only_for_names_of_ours_over_tls() -> None:
    """For localhost or an address it would upgrade every other server of the user."""
    request = _request()
    assert b"strict-transport" in Heads(b"l7", flow(), encrypted=True).own_lines(request, None, 0)
    assert b"strict-transport" not in Heads(b"l7", flow(), encrypted=False).own_lines(request, None, 0)
    request.host = "127.0.1.1"
    assert b"strict-transport" not in Heads(b"l7", flow(), encrypted=True).own_lines(request, None, 0)
