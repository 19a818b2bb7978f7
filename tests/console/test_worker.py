"""The console over a real socket, beside a hub and a process to watch."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest
import trio

from edge.common.process import Process
from edge.console.worker import PAGES, serve
from tests.kit.hubs import CONFIG, running_hub, until


class Rig:
    """A console, a token, a feed to break."""

    def __init__(self, tmp_path: Path) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        self.port = listener.getsockname()[1]
        self.console = Process.for_test(CONFIG, tmp_path, name="console", tier="console")
        self.console.sockets["console"] = listener
        self.feed = Process.for_test(CONFIG, tmp_path, name="feed-1", tier="service", service="feed")
        self.token_file = tmp_path / "console.token"

    async def ask(
        self, method: str, path: str, body: bytes = b"", **fields: str
    ) -> tuple[int, dict[str, str], bytes]:
        headers = {
            "host": f"127.0.0.1:{self.port}",
            "connection": "close",
            "content-type": "application/json",
        } | {name.replace("_", "-"): value for name, value in fields.items()}
        if method == "POST":
            headers["content-length"] = str(len(body))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        async with await trio.open_tcp_stream("127.0.0.1", self.port) as stream:
            await stream.send_all(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body)
            data = b"".join([chunk async for chunk in stream])
        head, _, content = data.partition(b"\r\n\r\n")
        status, *rest = head.decode().split("\r\n")
        return int(status.split()[1]), dict(line.split(": ", 1) for line in rest), content

    async def do(self, **body: object) -> tuple[int, dict[str, object]]:
        token = self.token_file.read_text()
        status, _, content = await self.ask("POST", "/api/do", orjson.dumps(body), edge_token=token)
        return status, orjson.loads(content)


@asynccontextmanager
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path)
    async with running_hub(tmp_path), trio.open_nursery() as nursery:
        nursery.start_soon(made.console.link.run)
        nursery.start_soon(made.feed.link.run)
        nursery.start_soon(serve, made.console)
        made.feed.live("127.0.0.1:7110")
        await until(lambda: made.console.link.connected and "feed-1" in made.console.link.members)
        with trio.fail_after(20):
            yield made
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("path", sorted(PAGES))
async def test_every_page_is_there_and_locked_down(tmp_path: Path, path: str) -> None:
    """Strict policy on every page; nothing is kept by the browser."""
    async with rig(tmp_path) as console:
        status, headers, body = await console.ask("GET", path)

    assert status == 200
    assert b"<main" in body
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"


async def test_the_token_is_for_the_owner_only(tmp_path: Path) -> None:
    """Another user of this machine can look, and break nothing."""
    async with rig(tmp_path) as console:
        await until(console.token_file.exists)
        mode = console.token_file.stat().st_mode & 0o777
        refused, _, _ = await console.ask("POST", "/api/do", b'{"action":"clear"}')

    assert mode == 0o600
    assert refused == 401


async def test_a_fault_is_added_seen_and_cleared(tmp_path: Path) -> None:
    """The whole way: page, hub, process, and back into the picture."""
    async with rig(tmp_path) as console:
        fault = {"kind": "latency", "amount": 300, "for_s": 20}
        added, answer = await console.do(action="fault", target="feed-1", fault=fault)
        armed = console.feed.faults.armed
        _, _, picture = await console.ask("GET", "/api/state")
        cleared, _ = await console.do(action="clear")

        assert (added, answer["ok"]) == (200, True)
        assert armed
        assert orjson.loads(picture)["faults"][0]["at"] == "feed-1"
        assert cleared == 200
        assert not console.feed.faults.armed


async def test_nonsense_is_refused_in_words(tmp_path: Path) -> None:
    """Problem details, which the page shows as they are."""
    async with rig(tmp_path) as console:
        status, answer = await console.do(action="fault", target="nobody", fault={"kind": "down"})
        bad_trace, _, _ = await console.ask("GET", "/api/trace/%2e%2e%2fetc")
        no_file, _, _ = await console.ask("GET", "/static/..%2f..%2fworker.py")
        no_lab, _, _ = await console.ask(
            "POST", "/api/lab", b'{"name":"../../etc"}', edge_token=console.token_file.read_text()
        )

    assert status == 400
    assert "nobody" in str(answer["detail"])
    assert bad_trace in (400, 404)
    assert no_file == 404
    assert no_lab == 404


async def test_pictures_come_as_events_while_somebody_looks(tmp_path: Path) -> None:
    """And the drain of the console is not held up by a page that stays open."""
    async with rig(tmp_path) as console, await trio.open_tcp_stream("127.0.0.1", console.port) as stream:
        await stream.send_all(f"GET /api/events HTTP/1.1\r\nhost: 127.0.0.1:{console.port}\r\n\r\n".encode())
        data = b""
        while b"data: {" not in data:
            data += await stream.receive_some(65536)

        assert b"text/event-stream" in data
        assert b'"connected":true' in data or b"connected" in data
