"""Copies of requests to another cluster: complete, marked, bounded, and of no consequence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from msgspec.structs import replace

from edge.common.config import ClusterConfig, Config, MirrorConfig
from edge.l7 import mirror
from edge.l7.phone_body import HELD_BYTES_MAX
from tests.kit.l7_edge import Edge, Script, hello, running


def _mirrored(address: str, **values: Any) -> Callable[[Config], Config]:
    def change(config: Config) -> Config:
        (route,) = config.route
        shadow = ClusterConfig(
            name="shadow", endpoints=(address,), try_timeout_s=values.pop("patience_s", 5.0)
        )
        mirrored = replace(route, mirror=MirrorConfig(cluster="shadow", **values))
        return replace(config, cluster=(*config.cluster, shadow), route=(mirrored,))

    return change


class Shadow:
    """The other cluster: a service on a port of its own."""

    def __init__(self, nursery: trio.Nursery, service: Any) -> None:
        self._nursery = nursery
        self._service = service
        self.address = ""

    async def start(self) -> None:
        listeners = await self._nursery.start(self._serve)
        self.address = f"127.0.0.1:{listeners[0].socket.getsockname()[1]}"

    async def _serve(self, task_status: trio.TaskStatus[list[trio.SocketListener]]) -> None:
        async def guarded(stream: trio.SocketStream) -> None:
            try:
                await self._service(stream)
            except trio.BrokenResourceError:
                pass
            finally:
                await trio.aclose_forcefully(stream)

        await trio.serve_tcp(guarded, 0, host="127.0.0.1", task_status=task_status)


async def _until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(5):
        while not condition():
            await trio.sleep(0.005)


def _counted(edge: Edge) -> dict[str, float]:
    found = {}
    for family in edge.process.metrics.snapshot():
        if family["name"] == "edge_l7_mirrored_total":
            found = {labels[1]: value for labels, value in family["values"]}
    return found


async def test_a_copy_follows_with_head_and_body(tmp_path: Path) -> None:
    """What the service got, the shadow gets, framed anew and marked as a copy."""
    real, shadow = Script(), Script(lambda head, body: hello(b"x" * 100_000))
    async with trio.open_nursery() as nursery:
        side = Shadow(nursery, shadow)
        await side.start()
        async with running(tmp_path, real, _mirrored(side.address)) as edge:
            phone = await edge.phone()
            reply = await phone.get("/a?b=c", "Cookie: d=e")
            await phone.send(b"POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            await phone.send(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
            await phone.reply()
            await _until(lambda: edge.worker.mirrors.under_way == 0 and len(shadow.heads) == 2)
            counted = _counted(edge)
        nursery.cancel_scope.cancel()

    get, post = (head.decode().split("\r\n") for head in shadow.heads)
    trace_id = reply["x-request-id"]
    assert get[0] == "GET /a?b=c HTTP/1.1"
    assert "cookie: d=e" in get
    assert f"edge-mirror-of: {trace_id}" in get
    assert f"x-request-id: {trace_id}" not in get, "a trace of its own: the phone's is over"
    assert trace_id.encode() in real.heads[0]
    assert post[0] == "POST /p HTTP/1.1"
    assert "content-length: 5" in post
    assert shadow.bodies == [b"", b"abcde"]
    assert shadow.connections == 1, "kept alive"
    assert counted == {"answered": 2}


async def test_a_share_of_the_requests_is_copied(tmp_path: Path) -> None:
    """Drawn for each request."""
    real, shadow = Script(), Script()
    async with trio.open_nursery() as nursery:
        side = Shadow(nursery, shadow)
        await side.start()
        async with running(tmp_path, real, _mirrored(side.address, share=0.3)) as edge:
            edge.worker.dice.seed(7)
            phone = await edge.phone()
            for _ in range(100):
                await phone.get()
            await _until(lambda: edge.worker.mirrors.under_way == 0)
        nursery.cancel_scope.cancel()

    assert len(real.heads) == 100
    assert 15 < len(shadow.heads) < 45


async def test_a_mirror_that_hangs_costs_copies_and_no_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more than so many are under way; the others are left out, and each ends with its patience."""
    monkeypatch.setattr(mirror, "COPIES_MAX", 3)
    real = Script()

    async def hangs(stream: trio.SocketStream) -> None:
        if (await stream.receive_some(5000)).startswith(b"GET /healthz"):
            await stream.send_all(hello(b"well", b"connection: close"))
            return
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        side = Shadow(nursery, hangs)
        await side.start()
        async with running(tmp_path, real, _mirrored(side.address, patience_s=0.3)) as edge:
            phone = await edge.phone()
            statuses = [(await phone.get()).status for _ in range(10)]
            at_most = edge.worker.mirrors.under_way
            await _until(lambda: edge.worker.mirrors.under_way == 0)
            counted = _counted(edge)
            in_use = edge.worker.forwarder.targets["shadow"].way.in_use
        nursery.cancel_scope.cancel()

    assert statuses == [200] * 10
    assert at_most == 3
    assert counted == {"busy": 7, "failed": 3}
    assert in_use == 0


async def test_a_mirror_that_is_away_hurts_nobody(tmp_path: Path) -> None:
    """Nobody listens on port 1."""
    async with running(tmp_path, Script(), _mirrored("127.0.0.1:1")) as edge:
        status = (await (await edge.phone()).get()).status
        await _until(lambda: edge.worker.mirrors.under_way == 0)
        counted = _counted(edge)

    assert (status, counted) == (200, {"failed": 1})


@pytest.mark.parametrize(
    "nonsense",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    ],
)
async def test_a_mirror_that_talks_nonsense_hurts_nobody(tmp_path: Path, nonsense: bytes) -> None:
    """Whatever it does is counted, and that is all."""

    async def shadow(stream: trio.SocketStream) -> None:
        await stream.receive_some(5000)
        await stream.send_all(nonsense)

    async with trio.open_nursery() as nursery:
        side = Shadow(nursery, shadow)
        await side.start()
        async with running(tmp_path, Script(), _mirrored(side.address)) as edge:
            phone = await edge.phone()
            statuses = [(await phone.get()).status for _ in range(2)]
            await _until(lambda: edge.worker.mirrors.under_way == 0)
            counted = _counted(edge)
        nursery.cancel_scope.cancel()

    assert statuses == [200, 200]
    assert counted == {"failed": 2}


async def test_an_upload_that_was_streamed_is_not_copied(tmp_path: Path) -> None:
    """Holding it for a mirror would be holding it in memory."""
    real, shadow = Script(), Script()
    async with trio.open_nursery() as nursery:
        side = Shadow(nursery, shadow)
        await side.start()
        async with running(tmp_path, real, _mirrored(side.address)) as edge:
            phone = await edge.phone()
            size = HELD_BYTES_MAX + 1
            await phone.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
            status = (await phone.reply()).status
            counted = _counted(edge)
        nursery.cancel_scope.cancel()

    assert (status, counted, shadow.heads) == (200, {"not held": 1}, [])
