"""Accepting, and the end of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from edge.common import http_server
from edge.common.config import Config
from edge.common.faults import Fault
from edge.common.http_host import Limits
from edge.common.http_messages import HttpRequest, HttpResponse
from edge.common.http_server import serve_http
from edge.common.process import Process

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Serving:
    """A server on a port of its own."""

    def __init__(self, run_dir: Path) -> None:
        self.process = Process.for_test(Config(), run_dir)
        self.stopped = trio.Event()
        self.port = 0
        self.handling = trio.Event()
        self.bodies: list[bytes] = []

    async def connect(self) -> trio.SocketStream:
        return await trio.open_tcp_stream("127.0.0.1", self.port)


@asynccontextmanager
async def serving(run_dir: Path, limits: Limits | None = None) -> AsyncIterator[Serving]:
    rig = Serving(run_dir)

    async def hello(request: HttpRequest) -> HttpResponse:
        rig.handling.set()
        rig.bodies.append(await request.read())
        return HttpResponse(200, b"hello")

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    rig.port = listeners[0].socket.getsockname()[1]

    async def serve() -> None:
        await serve_http(listeners, hello, rig.process, limits)
        rig.stopped.set()

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            yield rig
            nursery.cancel_scope.cancel()


async def ask(stream: trio.SocketStream) -> bytes:
    await stream.send_all(GET)
    return bytes(await stream.receive_some(4096))


async def test_a_drain_ends_when_the_last_caller_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """During the grace old and new callers are served; then idle connections are closed."""
    monkeypatch.setattr(http_server, "GRACE_S", 0.1)
    async with serving(tmp_path) as rig:
        idle, busy = await rig.connect(), await rig.connect()
        assert b"hello" in await ask(idle)
        rig.process.draining.set()
        late = await rig.connect()

        assert b"connection: close" in await ask(late)
        assert b"connection: close" in await ask(busy)
        assert await idle.receive_some(1) == b""
        await rig.stopped.wait()
        with pytest.raises(OSError):
            await rig.connect()
        for stream in (idle, busy, late):
            await stream.aclose()


async def test_a_body_that_comes_too_late_for_a_drain_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was done with it, and the answer says so: whoever holds the body may ask another copy."""
    monkeypatch.setattr(http_server, "GRACE_S", 0.1)
    async with serving(tmp_path) as rig:
        slow = await rig.connect()
        await slow.send_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
        await rig.handling.wait()
        rig.process.draining.set()
        answer = bytes(await slow.receive_some(4096))
        await slow.aclose()
        await rig.stopped.wait()

    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nedge-unprocessed: draining\r\n" in answer
    assert b"\r\nconnection: close\r\n" in answer
    assert rig.bodies == []


async def test_a_full_house_lets_the_next_caller_wait(tmp_path: Path) -> None:
    """Waiting in the backlog costs nothing and ends as soon as somebody leaves."""
    async with serving(tmp_path, Limits(connections_max=1)) as rig:
        first, second = await rig.connect(), await rig.connect()
        assert b"hello" in await ask(first)
        await second.send_all(GET)
        with trio.move_on_after(0.05) as patience:
            await second.receive_some(1)
        assert patience.cancelled_caught
        await first.aclose()

        assert b"hello" in await second.receive_some(4096)
        await second.aclose()


async def test_a_service_that_is_down_resets_every_connection(tmp_path: Path) -> None:
    """As if nobody listened; health checks meet the same."""
    async with serving(tmp_path) as rig:
        rig.process.faults.add(Fault(id="f", kind="down", for_s=5.0), trio.current_time())
        stream = await rig.connect()

        with pytest.raises(trio.BrokenResourceError):
            await ask(stream)
        await stream.aclose()
