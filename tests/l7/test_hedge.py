"""Two copies race for one answer: who wins, who is cut off, who pays."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from msgspec.structs import replace

from edge.common.config import ClusterConfig, Config, HedgeConfig, RetryConfig
from edge.common.spans import CLIENT, from_wire
from tests.kit.l7_edge import Edge, Phone, hello, running

GONE = "127.0.0.1:1"
AFTER_MS = 30.0


class Copies:
    """Two copies of a service on ports of their own; the edge's own service is the first."""

    def __init__(self, behave: Callable[["Copies", int, trio.SocketStream, bytes], Any]) -> None:
        self._behave = behave
        self.heads: list[list[bytes]] = [[], []]
        self.hung_up = [trio.Event(), trio.Event()]
        self.address = ""

    async def serve(self, number: int, stream: trio.SocketStream) -> None:
        buffer = b""
        while True:
            try:
                data = await stream.receive_some(65536)
            except trio.BrokenResourceError:
                data = b""
            if not data:
                self.hung_up[number].set()
                return
            buffer += bytes(data)
            if not buffer.endswith(b"\r\n\r\n") and b"content-length" not in buffer:
                continue
            if buffer.startswith(b"GET /healthz"):
                await stream.send_all(hello(b"well", b"connection: close"))
                return
            head, buffer = buffer, b""
            self.heads[number].append(head)
            answer = await self._behave(self, number, stream, head)
            if answer is None:
                return
            await stream.send_all(answer)

    async def first(self, stream: trio.SocketStream) -> None:
        await self.serve(0, stream)

    async def second(self, *, task_status: trio.TaskStatus[Any] = trio.TASK_STATUS_IGNORED) -> None:
        async def guarded(stream: trio.SocketStream) -> None:
            try:
                await self.serve(1, stream)
            except trio.BrokenResourceError:
                pass
            finally:
                await trio.aclose_forcefully(stream)

        await trio.serve_tcp(guarded, 0, host="127.0.0.1", task_status=task_status)

    def change(self, *others: str, **values: Any) -> Callable[[Config], Config]:
        """Round robin begins with the first; `values` of the cluster."""

        def change(config: Config) -> Config:
            (cluster,) = config.cluster
            hedged: ClusterConfig = replace(
                cluster,
                endpoints=(*cluster.endpoints, *(others or (self.address,))),
                **({"balance": "round-robin", "hedge": HedgeConfig(after_ms=AFTER_MS)} | values),
            )
            return replace(config, cluster=(hedged,))

        return change


async def _with(copies: Copies, tmp_path: Path, use: Callable[[Edge, Phone], Any], **values: Any) -> Any:
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(copies.second)
        copies.address = f"127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        async with running(tmp_path, copies.first, copies.change(**values)) as edge:
            found = await use(edge, await edge.phone())
            way = edge.worker.forwarder.targets["toy"].way
            cluster = edge.worker.forwarder.targets["toy"].cluster
            assert (way.in_use, cluster.active) == (0, 0), "nothing is left under way"
        nursery.cancel_scope.cancel()
    return found


async def _first_hangs(copies: Copies, number: int, stream: trio.SocketStream, head: bytes) -> bytes | None:
    if number == 0:
        try:
            await stream.receive_some(1)
        except trio.BrokenResourceError:
            pass
        copies.hung_up[0].set()
        return None
    return hello(b"second")


async def test_a_slow_copy_is_overtaken_and_told_never_mind(tmp_path: Path) -> None:
    """The second answers, the first sees its connection closed, and the trace shows both."""
    copies = Copies(_first_hangs)

    async def use(edge: Edge, phone: Phone) -> Any:
        reply = await phone.get()
        await copies.hung_up[0].wait()
        spans = from_wire(edge.process.link.asks["trace"]({"trace_id": reply["x-request-id"]}))
        return reply, spans, edge.worker.explain(), next(iter(edge.worker.ledger.ring.newest()))

    reply, spans, told, record = await _with(copies, tmp_path, use)

    assert (reply.status, reply.body) == (200, b"second")
    tries = [span for span in spans if span.kind == CLIENT]
    assert [span.error for span in tries] == ["LOST", ""]
    assert len({span.span_id for span in tries}) == 2
    queue = next(span for span in spans if span.name == "l7.queue")
    assert "slow after 30 ms" in str(queue.attributes["edge.why"])
    assert told["hedges"] == {"won": 1, "lost": 0}
    assert told["clusters"][0]["retries_spent"] == 1
    assert record.tries[-1].endpoint == tries[-1].attributes["service.peer.name"]


async def test_the_first_may_still_win(tmp_path: Path) -> None:
    """Asked second is not answered first."""

    async def behave(copies: Copies, number: int, stream: trio.SocketStream, head: bytes) -> bytes | None:
        if number == 0:
            while not copies.heads[1]:
                await trio.sleep(0.005)
            return hello(b"first")
        await trio.sleep(5)
        return None

    copies = Copies(behave)

    async def use(edge: Edge, phone: Phone) -> Any:
        replies = [await phone.get()]
        return replies, edge.worker.explain()["hedges"], next(iter(edge.worker.ledger.ring.newest()))

    replies, hedges, record = await _with(copies, tmp_path, use)

    assert [reply.body for reply in replies] == [b"first"]
    assert hedges == {"won": 0, "lost": 1}
    assert [attempt.error for attempt in record.tries] == ["LOST", ""]


async def test_a_quick_copy_is_not_hedged(tmp_path: Path) -> None:
    """Nothing is spent on what is well."""

    async def behave(copies: Copies, number: int, stream: trio.SocketStream, head: bytes) -> bytes | None:
        return hello(b"quick")

    copies = Copies(behave)

    async def use(edge: Edge, phone: Phone) -> Any:
        for _ in range(10):
            assert (await phone.get()).status == 200
        return edge.worker.explain()

    # Long enough for a busy machine: what is quick here is so by its own measure.
    told = await _with(copies, tmp_path, use, hedge=HedgeConfig(after_ms=4000))

    assert told["hedges"] == {"won": 0, "lost": 0}
    assert sum(map(len, copies.heads)) == 10
    assert told["clusters"][0]["opened"] == 2, "kept alive, one each"


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_what_may_not_be_done_twice_is_not_asked_twice(tmp_path: Path, method: str) -> None:
    """However slow it is."""

    async def behave(copies: Copies, number: int, stream: trio.SocketStream, head: bytes) -> bytes | None:
        await trio.sleep(AFTER_MS / 1000 * 3)
        return hello(b"done")

    copies = Copies(behave)

    async def use(edge: Edge, phone: Phone) -> Any:
        await phone.send(f"{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".encode())
        return (await phone.reply()).status, edge.worker.explain()["hedges"]

    found = await _with(copies, tmp_path, use)

    assert found == (200, {"won": 0, "lost": 0})
    assert sum(map(len, copies.heads)) == 1


async def test_a_connection_that_ends_has_not_answered(tmp_path: Path) -> None:
    """The first hangs up after the second was asked: the second goes on alone."""

    async def behave(copies: Copies, number: int, stream: trio.SocketStream, head: bytes) -> bytes | None:
        if number == 0:
            while not copies.heads[1]:
                await trio.sleep(0.005)
            return None
        await trio.sleep(0.05)
        return hello(b"second")

    copies = Copies(behave)

    async def use(edge: Edge, phone: Phone) -> Any:
        reply = await phone.get()
        return reply.body, [attempt.error for attempt in next(iter(edge.worker.ledger.ring.newest())).tries]

    assert await _with(copies, tmp_path, use) == (b"second", ["UC", ""])


async def test_a_second_copy_that_cannot_be_reached_costs_nothing(tmp_path: Path) -> None:
    """The first is still on its way."""

    async def behave(copies: Copies, number: int, stream: trio.SocketStream, head: bytes) -> bytes | None:
        await trio.sleep(AFTER_MS / 1000 * 3)
        return hello(b"first")

    copies = Copies(behave)
    async with running(tmp_path, copies.first, copies.change(GONE)) as edge:
        phone = await edge.phone()
        replies = [(await phone.get()).body for _ in range(2)]
        tries = [[attempt.error for attempt in record.tries] for record in edge.worker.ledger.ring.newest()]

    assert replies == [b"first"] * 2
    assert ["UF", ""] in tries


async def test_when_nobody_answers_the_time_of_one_try_still_holds(tmp_path: Path) -> None:
    """Two that hang are no better than one."""

    async def behave(copies: Copies, number: int, stream: trio.SocketStream, head: bytes) -> bytes | None:
        await trio.sleep(10)
        return None

    copies = Copies(behave)

    async def use(edge: Edge, phone: Phone) -> Any:
        began = trio.current_time()
        reply = await phone.get()
        return reply.status, trio.current_time() - began

    status, took_s = await _with(
        copies, tmp_path, use, try_timeout_s=0.3, timeout_s=0.4, retry=RetryConfig(attempts=1)
    )

    assert status == 504
    assert took_s < 2


async def test_a_slow_cluster_gets_at_most_a_fifth_more(tmp_path: Path) -> None:
    """The second tries are paid from the retry budget."""

    async def behave(copies: Copies, number: int, stream: trio.SocketStream, head: bytes) -> bytes | None:
        await trio.sleep(0.02)
        return hello(b"slow")

    copies = Copies(behave)

    async def use(edge: Edge, phone: Phone) -> Any:
        for _ in range(50):
            await phone.get()
        return sum(edge.worker.explain()["hedges"].values())

    hedged = await _with(
        copies,
        tmp_path,
        use,
        hedge=HedgeConfig(after_ms=2),
        retry=RetryConfig(attempts=1, budget=0.2, concurrent_min=1),
    )

    assert 0 < hedged <= 50 * 0.2 + 3
