"""The hot path stays hot: counted, not timed, so that no noise can fail it and no slow path can slip in."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import trio
from msgspec.structs import replace

from edge.common.config import Config, HealthConfig
from edge.l7.poller import Poller
from edge.l7.transport import Transport
from tests.kit.l7_edge import Edge, Phone, Script, hello, running

REQUESTS = 200


def _quiet(config: Config) -> Config:
    # No health check in the middle of the count.
    (cluster,) = config.cluster
    return replace(config, cluster=(replace(cluster, health=HealthConfig(interval_s=600.0)),))


class Tasks(trio.abc.Instrument):
    """Counts the tasks that are made."""

    def __init__(self) -> None:
        self.spawned: list[str] = []

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        self.spawned.append(task.name)


async def _warm(edge: Edge) -> Phone:
    phone = await edge.phone()
    # Past the first health check, and until everything is in memory.
    await trio.sleep(0.1)
    for _ in range(20):
        await phone.get("/api/v1/feed/timeline/", "Cookie: a=b")
    return phone


async def test_h11_is_not_asked_about_what_it_has_judged(tmp_path: Path) -> None:
    """Nor about a new query, cookie and traceparent, nor about an answer with a new Date."""
    async with running(tmp_path, Script(), _quiet) as edge:
        phone = await _warm(edge)
        await phone.get("/x?a=0", "Cookie: a=0", f"traceparent: 00-{1:032x}-{1:016x}-01")
        judged = edge.worker.memo.judged, edge.worker.reply_memo.judged
        for number in range(REQUESTS):
            trace = f"traceparent: 00-{number + 1:032x}-{number + 1:016x}-01"
            await phone.get(f"/x?a={number}", f"Cookie: a={number}", trace)

        assert (edge.worker.memo.judged, edge.worker.reply_memo.judged) == judged


async def test_a_request_makes_no_task(tmp_path: Path) -> None:
    """A task, a nursery or a timeout's scope per request would cost more than the request."""
    counted = Tasks()

    async with running(tmp_path, Script(), _quiet) as edge:
        phone = await _warm(edge)
        trio.lowlevel.add_instrument(counted)
        for _ in range(REQUESTS):
            await phone.get("/api/v1/feed/timeline/", "Cookie: a=b")
        trio.lowlevel.remove_instrument(counted)

    assert len(counted.spawned) < REQUESTS / 20, counted.spawned


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Reads and writes of each side, and descriptors registered, from now on."""
    found: Counter[str] = Counter()
    build, register = Transport.__init__, Poller.register

    def counting(self: Transport, *arguments: Any, **more: Any) -> None:
        build(self, *arguments, **more)
        side = type(self).__name__
        for name in ("_read", "_write"):
            inner = getattr(self, name)
            setattr(
                self, name, lambda *a, inner=inner, key=f"{side}{name}": (found.update((key,)), inner(*a))[1]
            )

    def registering(self: Poller, *arguments: Any) -> None:
        found["register"] += 1
        register(self, *arguments)

    monkeypatch.setattr(Transport, "__init__", counting)
    monkeypatch.setattr(Poller, "register", registering)
    return found


async def test_a_request_is_two_reads_and_two_writes(tmp_path: Path, calls: Counter[str]) -> None:
    """One of each towards the phone and the service, none in vain, and no descriptor registered anew."""
    async with running(tmp_path, Script(), _quiet) as edge:
        phone = await _warm(edge)
        calls.clear()
        for _ in range(REQUESTS):
            await phone.get("/api/v1/feed/timeline/", "Cookie: a=b")
        hot = dict(calls)

    assert hot == {
        "Transport_read": REQUESTS,
        "Transport_write": REQUESTS,
        "Channel_read": REQUESTS,
        "Channel_write": REQUESTS,
    }


async def test_a_hit_in_the_cache_is_one_read_and_one_write(tmp_path: Path, calls: Counter[str]) -> None:
    """And h11 is asked nothing, no task made: the whole answer is in memory."""
    counted = Tasks()

    def caching(config: Config) -> Config:
        (route,) = config.route
        return replace(_quiet(config), route=(replace(route, cache=True),))

    fresh = Script(lambda head, body: hello(b"hello", b"cache-control: public, max-age=600"))
    async with running(tmp_path, fresh, caching) as edge:
        phone = await edge.phone()
        await trio.sleep(0.1)
        for _ in range(20):
            await phone.get("/picture")
        asked, judged = len(fresh.heads), edge.worker.memo.judged
        calls.clear()
        trio.lowlevel.add_instrument(counted)
        for _ in range(REQUESTS):
            assert (await phone.get("/picture")).body == b"hello"
        trio.lowlevel.remove_instrument(counted)
        hits = dict(calls)

        assert (len(fresh.heads), edge.worker.memo.judged) == (asked, judged)
    assert hits == {"Transport_read": REQUESTS, "Transport_write": REQUESTS}
    assert len(counted.spawned) < REQUESTS / 20, counted.spawned


async def test_a_connection_makes_no_task(tmp_path: Path) -> None:
    """Handshake, request, lingering end: nothing waits but for the kernel, and for that a call will do."""
    counted = Tasks()

    async with running(tmp_path, Script(), _quiet) as edge:
        await _warm(edge)
        trio.lowlevel.add_instrument(counted)
        for _ in range(20):
            phone = await edge.phone()
            assert (await phone.get("/api/v1/feed/timeline/", "Connection: close")).status == 200
        trio.lowlevel.remove_instrument(counted)

    # Trio's helpers of the phone (`open_tcp_stream`) and the toy service are not the worker's.
    ours = [name for name in counted.spawned if name.startswith("edge.")]
    assert len(ours) <= 5, Counter(ours)
