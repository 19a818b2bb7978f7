"""Asking another service, with everything that can go wrong on the way."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
import trio

from edge.common.config import Config
from edge.common.http_client import BadReply, HttpClient, TooSlow, Unreachable
from edge.common.http_messages import HttpReply, HttpRequest, HttpResponse
from edge.common.http_server import serve_http
from edge.common.process import Process
from edge.common.spans import Span
from tests.kit.services import TRACE, client_of

Serve = Callable[[trio.SocketStream], Awaitable[None]]
Address = tuple[str, int]


class Rig:
    """A client, and the spans it leaves."""

    def __init__(self, run_dir: Path) -> None:
        self.process = Process.for_test(Config(), run_dir)
        self.client: HttpClient = client_of(self.process)

    async def ask(self, address: Address, timeout_s: float = 5.0, **more: object) -> HttpReply:
        method = str(more.pop("method", "GET"))
        return await self.client.request(
            method,
            address,
            "/x?y=1",
            trace=TRACE,
            timeout_s=timeout_s,
            **more,  # type: ignore[arg-type]
        )

    def spans(self) -> list[Span]:
        return self.process.spans.find(TRACE.trace_id)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path)
    yield made
    await made.client.aclose()


@asynccontextmanager
async def peer(serve: Serve) -> AsyncIterator[Address]:
    """A server that says exactly what the test wants."""
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        with trio.fail_after(10):
            yield "127.0.0.1", listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


def saying(*replies: bytes) -> Serve:
    """One reply for each request of a connection, then it is closed."""

    async def serve(stream: trio.SocketStream) -> None:
        # The client may have seen enough of a flood and be gone before its end.
        with suppress(trio.BrokenResourceError):
            for reply in replies:
                await stream.receive_some(4096)
                await stream.send_all(reply)

    return serve


async def gone_stale(client: HttpClient, address: Address) -> None:
    """Wait until the other side's FIN has reached the kept connection."""
    (kept,) = client._pools[address].kept
    while kept.is_usable(trio.current_time()):
        await trio.lowlevel.checkpoint()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


async def test_a_connection_is_kept_and_used_again(rig: Rig, tmp_path: Path) -> None:
    """Against our own server: trace, deadline and request id arrive, the span is a client's."""
    seen: list[HttpRequest] = []

    async def handler(request: HttpRequest) -> HttpResponse:
        seen.append(request)
        return HttpResponse(200, b'{"a":1}')

    server = Process.for_test(Config(), tmp_path)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    address = ("127.0.0.1", listeners[0].socket.getsockname()[1])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_http, listeners, handler, server)
        first = await rig.ask(address, peer="user", route="/x")
        await rig.ask(address, peer="user", route="/x", resend=1)
        nursery.cancel_scope.cancel()

    assert first.json() == {"a": 1}
    assert seen[0].trace.trace_id == TRACE.trace_id
    assert seen[0].header(b"x-request-id") == TRACE.trace_id.encode()
    assert seen[0].deadline is not None
    one, two = rig.spans()
    assert (one.name, one.kind, one.parent_id) == ("GET /x", 3, TRACE.span_id)
    assert one.attributes["service.peer.name"] == "user"
    assert (one.attributes["edge.conn.reused"], two.attributes["edge.conn.reused"]) == (False, True)
    assert two.attributes["http.request.resend_count"] == 1
    assert one.error == ""


async def test_who_is_asked_to_tell_headers_asks_the_next_one(rig: Rig, tmp_path: Path) -> None:
    """The wish travels along the trace, and both sides of each call tell."""
    seen: list[HttpRequest] = []

    async def handler(request: HttpRequest) -> HttpResponse:
        seen.append(request)
        return HttpResponse(200, b"")

    server = Process.for_test(Config(), tmp_path)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    address = ("127.0.0.1", listeners[0].socket.getsockname()[1])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_http, listeners, handler, server)
        await rig.client.request("GET", address, "/?token=sesame", trace=TRACE.kept(), timeout_s=5.0)
        nursery.cancel_scope.cancel()

    assert seen[0].trace.keep
    (span,) = rig.spans()
    assert span.attributes["http.request.header.edge-trace"] == "1"
    assert span.attributes["http.response.header.content-length"] == "0"
    assert "sesame" not in str(span.attributes)


async def test_a_connection_found_closed_is_not_used(rig: Rig) -> None:
    """The other side closed it while it was idle: nobody notices."""
    async with peer(saying(OK)) as address:
        await rig.ask(address)
        await gone_stale(rig.client, address)
        reply = await rig.ask(address, method="POST")

    assert reply.body == b"hi"


async def test_a_connection_closed_while_we_write_is_replaced_for_safe_requests(rig: Rig) -> None:
    """The keep-alive race; a POST that may not be repeated fails instead."""
    connections = 0

    async def serve(stream: trio.SocketStream) -> None:
        nonlocal connections
        connections += 1
        await saying(OK)(stream)
        if connections != 2:
            await stream.receive_some(4096)  # reads the next request, and closes without a word

    async with peer(serve) as address:
        await rig.ask(address)
        again = await rig.ask(address)
        assert (again.status, connections) == (200, 2)
        await gone_stale(rig.client, address)
        await rig.ask(address)
        with pytest.raises(BadReply):
            await rig.ask(address, method="POST")
        await rig.ask(address)
        repeated = await rig.ask(address, method="POST", repeatable=True)
    assert repeated.status == 200


async def test_nobody_there_is_unreachable(rig: Rig) -> None:
    """Retryable: nothing was asked."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = taken.getsockname()

    with pytest.raises(Unreachable) as error:
        await rig.ask(address)

    assert error.value.retryable
    assert rig.spans()[0].error == "Unreachable"


async def test_silence_ends_at_the_timeout(rig: Rig) -> None:
    """And the connection, whose answer may still come, is not kept."""
    connections = 0

    async def mute(stream: trio.SocketStream) -> None:
        nonlocal connections
        connections += 1
        await trio.sleep_forever()

    async with peer(mute) as address:
        for _ in range(2):
            with pytest.raises(TooSlow):
                await rig.ask(address, timeout_s=0.03)

    assert connections == 2
    assert rig.spans()[0].attributes["error.type"] == "timeout"


@pytest.mark.parametrize(
    "reply",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 2_000_000,
    ],
)
async def test_rubbish_halves_and_floods_are_bad_replies(rig: Rig, reply: bytes) -> None:
    """A peer that misbehaves is not a bug of ours."""
    async with peer(saying(reply)) as address:
        with pytest.raises(BadReply):
            await rig.ask(address)


async def test_a_cancelled_question_leaves_its_span(rig: Rig) -> None:
    """The feed gives up on ads; the waterfall has to show what it gave up."""

    async def mute(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async with peer(mute) as address:
        with trio.move_on_after(0.02):
            await rig.ask(address)

    assert rig.spans()[0].error == "cancelled"
