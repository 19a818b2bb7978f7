"""One connection of a service, over memory streams: every byte is the test's."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from edge.common.config import Config
from edge.common.errors import EdgeError
from edge.common.faults import Fault
from edge.common.http_connection import serve_connection
from edge.common.http_host import Host, Limits
from edge.common.http_messages import HttpRequest, HttpResponse, Refusal, json_response
from edge.common.process import Process

Stream = trio.StapledStream[Any, Any]
GET = b"GET /thing HTTP/1.1\r\nHost: a\r\n\r\n"
TRACE = b"00-" + b"ab" * 16 + b"-" + b"cd" * 8 + b"-03"


class Rig:
    """A process, and a connection to a handler of it."""

    def __init__(self, run_dir: Path) -> None:
        self.process = Process.for_test(Config(), run_dir, name="feed-1", service="feed")

    @asynccontextmanager
    async def connected(
        self, handler: Callable[[HttpRequest], Awaitable[HttpResponse]], limits: Limits | None = None
    ) -> AsyncIterator[Stream]:
        """The caller's end."""
        near, far = memory_stream_pair()
        self.host = Host(handler, self.process, limits or Limits())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve_connection, far, self.host)
            yield near
            await near.aclose()

    async def exchange(self, handler: Callable[[HttpRequest], Awaitable[HttpResponse]], data: bytes) -> bytes:
        """All that comes back for `data`, until the service has nothing more to say."""
        async with self.connected(handler) as stream:
            await stream.send_all(data)
            await stream.send_eof()
            return b"".join([bytes(piece) async for piece in stream])


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


async def hello(request: HttpRequest) -> HttpResponse:
    request.route = "/thing"
    return json_response({"hello": request.method})


async def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(200, await request.read())


async def head_of(stream: Stream) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += await stream.receive_some(1000)
    return data


async def test_a_connection_answers_many_requests(rig: Rig) -> None:
    """Keep-alive, also pipelined: two in one read."""
    answer = await rig.exchange(hello, GET * 2)

    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert answer.count(b'{"hello":"GET"}') == 2


async def test_a_request_leaves_a_span_under_its_caller(rig: Rig) -> None:
    """A waterfall is made of these."""
    await rig.exchange(hello, GET.replace(b"\r\n\r\n", b"\r\nTraceparent: " + TRACE + b"\r\n\r\n"))

    (span,) = rig.process.spans.find("ab" * 16)
    assert (span.name, span.parent_id, span.kind) == ("GET /thing", "cd" * 8, 2)
    assert (span.service, span.instance) == ("feed", "feed-1")
    assert span.attributes["http.response.status_code"] == 200
    assert span.end_ns > span.start_ns


async def test_headers_are_written_down_where_somebody_asked(rig: Rig) -> None:
    """Both ways, without secrets; and not for everybody, because it costs."""
    lines = b"\r\nTraceparent: " + TRACE + b"\r\nCookie: a=sesame"
    await rig.exchange(hello, GET.replace(b"\r\n\r\n", lines + b"\r\n\r\n"))
    await rig.exchange(hello, GET.replace(b"\r\n\r\n", lines + b"\r\nEdge-Trace: 1\r\n\r\n"))

    quiet, told = rig.process.spans.find("ab" * 16)
    assert not [key for key in quiet.attributes if ".header." in key]
    assert told.attributes["http.request.header.cookie"] == "a=(6 characters)"
    assert told.attributes["http.response.header.x-request-id"] == "ab" * 16


async def test_a_request_without_trace_begins_one_and_says_so(rig: Rig) -> None:
    """curl straight at a service can be traced too."""
    answer = await rig.exchange(hello, GET)

    trace_id = answer.split(b"x-request-id: ")[1][:32].decode()
    assert [span.parent_id for span in rig.process.spans.find(trace_id)] == [""]


async def test_head_has_the_length_but_not_the_body(rig: Rig) -> None:
    """RFC 9110 section 9.3.2."""
    answer = await rig.exchange(hello, GET.replace(b"GET", b"HEAD"))

    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-length: 16" in head
    assert body == b""


async def test_bodies_arrive_by_length_and_in_chunks(rig: Rig) -> None:
    """L7 streams what it does not know the length of."""
    head = b"POST / HTTP/1.1\r\nHost: a\r\n"
    by_length = await rig.exchange(echo, head + b"Content-Length: 5\r\n\r\nhello")
    chunked = await rig.exchange(
        echo, head + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
    )

    assert by_length.endswith(b"\r\n\r\nhello")
    assert chunked.endswith(b"\r\n\r\nhello")


async def test_100_continue_is_sent_when_the_body_is_wanted(rig: Rig) -> None:
    """The caller waits for it; a handler that never reads never asks."""
    async with rig.connected(echo) as stream:
        await stream.send_all(
            b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        )
        assert await head_of(stream) == b"HTTP/1.1 100 Continue\r\n\r\n"
        await stream.send_all(b"hi")
        assert (await head_of(stream)).endswith(b"hi")


async def test_a_body_nobody_invited_ends_the_connection(rig: Rig) -> None:
    """Refused before 100: whether the body will come is unknown, so nothing may follow."""
    answer = await rig.exchange(
        hello, b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    )

    assert b"connection: close" in answer.lower()


async def test_an_unread_body_is_swallowed_and_the_connection_kept(rig: Rig) -> None:
    """A small rest is cheaper than a new connection."""
    answer = await rig.exchange(hello, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" + GET)

    assert answer.count(b"HTTP/1.1 200") == 2


async def test_a_streamed_answer_is_chunked_unless_its_length_is_known(rig: Rig) -> None:
    """Nothing is collected in between."""

    async def pieces() -> AsyncGenerator[bytes, None]:
        yield b"one"
        yield b"two"

    async def unknown(request: HttpRequest) -> HttpResponse:
        return HttpResponse(200, pieces())

    async def known(request: HttpRequest) -> HttpResponse:
        return HttpResponse(200, pieces(), length=6)

    assert (await rig.exchange(unknown, GET)).endswith(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
    assert (await rig.exchange(known, GET)).endswith(b"\r\n\r\nonetwo")


async def test_refusals_and_expected_failures_become_problems(rig: Rig) -> None:
    """The caller learns the status and why; the span carries the same sentence."""

    class Overslept(EdgeError):
        status_hint = 503

    async def refuse(request: HttpRequest) -> HttpResponse:
        raise Refusal(409, "taken", "somebody was faster", ((b"retry-after", b"1"),))

    async def fail(request: HttpRequest) -> HttpResponse:
        raise Overslept("the alarm did not ring")

    refused = await rig.exchange(refuse, GET)
    failed = await rig.exchange(fail, GET)

    assert refused.startswith(b"HTTP/1.1 409 Conflict")
    assert b"retry-after: 1" in refused
    assert b"somebody was faster" in refused
    assert failed.startswith(b"HTTP/1.1 503")


async def test_a_bug_costs_one_connection_and_says_500(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    """The others go on; the log has the rest."""

    async def buggy(request: HttpRequest) -> HttpResponse:
        raise KeyError("oops")

    answer = await rig.exchange(buggy, GET + GET)

    assert answer.startswith(b"HTTP/1.1 500")
    assert answer.count(b"HTTP/1.1") == 1
    assert b"oops" not in answer
    assert "oops" in capsys.readouterr().out


async def test_what_is_no_http_is_told_so_and_ended(rig: Rig) -> None:
    """h11 judges; we answer."""
    answer = await rig.exchange(hello, b"GET / HTTP/1.1\r\nHost: a\r\nBad Header: 1\r\n\r\n" + GET)

    assert answer.startswith(b"HTTP/1.1 400 Bad Request")
    assert answer.count(b"HTTP/1.1") == 1


async def test_an_overlong_head_is_431(rig: Rig) -> None:
    """Bounded memory; the status is h11's."""
    data = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 50_000

    async with rig.connected(hello) as stream:
        await stream.send_all(data)
        assert (await head_of(stream)).startswith(b"HTTP/1.1 431")


async def test_a_deadline_ends_the_work(rig: Rig, autojump_clock: MockClock) -> None:
    """Work that nobody waits for any more is the beginning of every overload."""

    async def slow(request: HttpRequest) -> HttpResponse:
        await trio.sleep(10)
        return HttpResponse(200)

    before = trio.current_time()
    answer = await rig.exchange(slow, GET.replace(b"Host", b"Edge-Deadline-Ms: 250\r\nHost"))

    assert answer.startswith(b"HTTP/1.1 504")
    assert trio.current_time() - before == pytest.approx(0.25)


async def test_a_slow_head_is_408_and_an_idle_connection_just_closed(
    rig: Rig, autojump_clock: MockClock
) -> None:
    """Slowloris gets an answer; a quiet pool does not need one."""
    async with rig.connected(hello) as stream:
        await stream.send_all(b"GET / HT")
        assert (await head_of(stream)).startswith(b"HTTP/1.1 408")
        assert trio.current_time() == pytest.approx(Limits().head_timeout_s, abs=0.1)
    async with rig.connected(hello) as stream:
        assert await stream.receive_some(100) == b""


async def test_a_slow_body_is_408(rig: Rig, autojump_clock: MockClock) -> None:
    """A handler that reads a body is not held for ever."""
    async with rig.connected(echo) as stream:
        await stream.send_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe")
        answer = await head_of(stream)

    assert answer.startswith(b"HTTP/1.1 408")


async def test_a_draining_service_says_close_and_is_not_ready(rig: Rig) -> None:
    """The balancer takes the hint and goes elsewhere; alive is still true."""
    async with rig.connected(hello) as stream:
        await stream.send_all(GET.replace(b"/thing", b"/readyz"))
        assert (await head_of(stream)).startswith(b"HTTP/1.1 200")
        rig.process.draining.set()
        await stream.send_all(GET.replace(b"/thing", b"/readyz"))
        answer = await head_of(stream)
    assert answer.startswith(b"HTTP/1.1 503")
    assert b"connection: close" in answer.lower()
    assert (await rig.exchange(hello, GET.replace(b"/thing", b"/healthz"))).startswith(b"HTTP/1.1 200")


async def test_an_upgraded_connection_belongs_to_its_handler(rig: Rig) -> None:
    """Bytes that came with the request are not lost."""

    async def shout(stream: Stream, early: bytes) -> None:
        await stream.send_all(early.upper())

    async def upgrade(request: HttpRequest) -> HttpResponse:
        return HttpResponse(
            101, headers=((b"upgrade", b"shout"), (b"connection", b"upgrade")), takeover=shout
        )

    data = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: shout\r\nConnection: upgrade\r\n\r\npsst"
    answer = await rig.exchange(upgrade, data)

    assert answer.startswith(b"HTTP/1.1 101 Switching Protocols")
    assert answer.endswith(b"\r\n\r\nPSST")


async def test_a_refused_upgrade_goes_on_in_http(rig: Rig) -> None:
    """A handler may ignore the wish (RFC 9110 section 7.8)."""
    data = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: shout\r\nConnection: upgrade\r\n\r\n"
    answer = await rig.exchange(hello, data + GET)

    assert answer.count(b"HTTP/1.1 200") == 2


async def test_every_request_is_counted_once(rig: Rig) -> None:
    """Also those that ended badly; what is in flight goes back to zero."""
    await rig.exchange(hello, GET * 3)
    await rig.exchange(hello, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf")

    families = {family["name"]: family["values"] for family in rig.process.metrics.snapshot()}
    assert sum(value for _, value in families["edge_service_requests_total"]) == 4
    assert [["/thing", "GET", "200"], 3] in families["edge_service_requests_total"]
    assert rig.process.link.load["in_flight"] == 0
    assert families["edge_service_connections"] == [[[], 0]]


@pytest.mark.parametrize(
    ("fault", "start"),
    [
        (Fault(id="f", kind="error", amount=502), b"HTTP/1.1 502"),
        (Fault(id="f", kind="reset"), b""),
        (Fault(id="f", kind="timeout"), b""),
        (Fault(id="f", kind="latency", amount=300), b"HTTP/1.1 200"),
        (Fault(id="f", kind="bandwidth", amount=0.1), b"HTTP/1.1 200"),
    ],
)
async def test_an_ordered_fault_hits_requests_and_spares_health_checks(
    rig: Rig, fault: Fault, start: bytes, autojump_clock: MockClock
) -> None:
    """A grey failure: sick to those who ask, healthy to those who check."""
    rig.process.faults.add(fault, trio.current_time())

    healthy = await rig.exchange(hello, GET.replace(b"/thing", b"/healthz"))
    before = trio.current_time()
    answer = await rig.exchange(hello, GET)

    assert healthy.startswith(b"HTTP/1.1 200")
    assert answer.startswith(start)
    assert bool(answer) == bool(start)
    if fault.kind in {"latency", "bandwidth"}:
        assert trio.current_time() - before > 0.1
        assert answer.endswith(b'{"hello":"GET"}')
