"""The usual request wakes nobody; whatever is unusual goes on in the connection's task from where it is."""

from collections import Counter
from pathlib import Path

import pytest
import trio
from msgspec.structs import replace

from edge.common.config import Config, RetryConfig
from edge.l7.verdict import Answer
from tests.kit.l7_edge import Edge, Phone, Script, hello, running

GET = b"GET / HTTP/1.1\r\nHost: i.edge.test\r\n\r\n"


class Steps(trio.abc.Instrument):
    """Counts how often each kind of task is stepped into."""

    def __init__(self) -> None:
        self.steps: Counter[str] = Counter()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.steps[task.name.rpartition(".")[2]] += 1


def _no_retry(config: Config) -> Config:
    (cluster,) = config.cluster
    return replace(config, cluster=(replace(cluster, try_timeout_s=0.2, retry=RetryConfig(attempts=0)),))


def _cached(config: Config) -> Config:
    (route,) = config.route
    return replace(config, route=(replace(route, auth="public", cache=True),))


async def _warm(edge: Edge) -> Phone:
    """A phone whose worker has an idle connection to the service."""
    phone = await edge.phone()
    assert (await phone.get()).status == 200
    return phone


def _at_rest(edge: Edge) -> bool:
    (target,) = edge.worker.forwarder.targets.values()
    return target.cluster.active == 0 and target.way.in_use == 0


async def test_usual_requests_do_not_wake_the_connections_task(tmp_path: Path) -> None:
    """That is what the express is for: two wake-ups a request are a fifth of its price."""
    counted = Steps()

    async with running(tmp_path, Script()) as edge:
        phone = await _warm(edge)
        trio.lowlevel.add_instrument(counted)
        for _ in range(100):
            assert (await phone.get()).body == b"hello"
        trio.lowlevel.remove_instrument(counted)

    assert counted.steps["_attend"] <= 2, counted.steps


async def test_an_answer_of_the_edges_own_wakes_nobody_either(tmp_path: Path) -> None:
    """A refusal, and a hit in the cache, are a read and a write."""
    counted = Steps()

    async with running(tmp_path, Script()) as edge:
        phone = await _warm(edge)
        trio.lowlevel.add_instrument(counted)
        statuses = {(await phone.get("/a/%2e%2e/%2e%2e/b")).status for _ in range(50)}
        trio.lowlevel.remove_instrument(counted)

    assert statuses == {400}
    assert counted.steps["_attend"] <= 2, counted.steps


async def test_a_large_hit_in_the_cache_wakes_nobody_either(tmp_path: Path) -> None:
    """It is more than one record of TLS, but the kernel takes all of it."""
    counted = Steps()
    service = Script(lambda head, _: hello(b"x" * 100_000, b"cache-control: max-age=600"))

    async with running(tmp_path, service, _cached) as edge:
        phone = await _warm(edge)
        trio.lowlevel.add_instrument(counted)
        for _ in range(20):
            assert (await phone.get()).body == b"x" * 100_000
        trio.lowlevel.remove_instrument(counted)

    assert len(service.heads) == 1
    assert counted.steps["_attend"] <= 4, counted.steps


async def test_a_request_in_two_pieces_is_served(tmp_path: Path) -> None:
    """The task waits for the rest."""
    async with running(tmp_path, Script()) as edge:
        phone = await _warm(edge)
        for _ in range(3):
            await phone.send(GET[:20])
            await trio.sleep(0.02)
            await phone.send(GET[20:])
            assert (await phone.reply()).body == b"hello"
            assert (await phone.get()).body == b"hello"


async def test_what_a_phone_says_before_it_has_its_answer_waits(tmp_path: Path) -> None:
    """In one write with its request or after it, pipelined requests are answered in order."""
    paths: list[bytes] = []

    def answer(head: bytes, body: bytes) -> bytes:
        paths.append(head.split()[1])
        return hello(paths[-1])

    async def slowly(stream: trio.SocketStream) -> None:
        script = Script(answer)
        await trio.sleep(0.02)
        await script(stream)

    async with running(tmp_path, slowly) as edge:
        phone = await _warm(edge)
        requests = [GET.replace(b" / ", b" /%d " % number) for number in range(6)]
        await phone.send(requests[0])
        await phone.send(requests[1])
        await phone.send(b"".join(requests[2:5]))
        await phone.send(requests[5])
        bodies = [(await phone.reply()).body for _ in range(6)]

    assert bodies == [b"/%d" % number for number in range(6)]


async def test_an_answer_in_two_pieces_comes_whole(tmp_path: Path) -> None:
    """Cut inside the head, behind it, and inside the body."""
    message = hello(b"0123456789")
    cuts = [10, message.index(b"\r\n\r\n") + 2, message.index(b"\r\n\r\n") + 4, len(message) - 3]
    turn = iter(cuts)

    async def service(stream: trio.SocketStream) -> None:
        while data := await stream.receive_some(65536):
            if data.startswith(b"GET /healthz"):
                await stream.send_all(hello(b"well"))
            elif data.startswith(b"GET / "):
                await stream.send_all(message)
            else:
                cut = next(turn)
                await stream.send_all(message[:cut])
                await trio.sleep(0.02)
                await stream.send_all(message[cut:])

    async with running(tmp_path, service) as edge:
        phone = await _warm(edge)
        bodies = [(await phone.get("/cut")).body for _ in cuts]
        assert (await phone.get()).body == b"0123456789"
        assert _at_rest(edge)

    assert bodies == [b"0123456789"] * len(cuts)


async def test_a_service_that_dies_meanwhile_is_told_to_the_phone(tmp_path: Path) -> None:
    """The same 502 as on the long way, and the connection lives on."""

    def answer(head: bytes, body: bytes) -> bytes | None:
        return None if b"/die" in head else hello(b"hello")

    async with running(tmp_path, Script(answer), _no_retry) as edge:
        phone = await _warm(edge)
        # Twice: a reused connection that ends is tried once more on a fresh one.
        assert (await phone.get("/die")).status == 502
        assert (await phone.get()).status == 200
        assert _at_rest(edge)


async def test_a_service_that_keeps_silent_costs_its_time_and_no_more(tmp_path: Path) -> None:
    """The walker finds the deadline although no task waits for the service."""
    release = trio.Event()

    async def service(stream: trio.SocketStream) -> None:
        while data := await stream.receive_some(65536):
            if b"/silent" in data:
                await release.wait()
            await stream.send_all(hello(b"hello"))

    async with running(tmp_path, service, _no_retry) as edge:
        phone = await _warm(edge)
        assert (await phone.get("/silent")).status == 504
        assert (await phone.get()).status == 200
        assert _at_rest(edge)
        release.set()


async def test_a_phone_that_leaves_takes_its_request_along(tmp_path: Path) -> None:
    """The service's connection is not used again before its answer is here; nothing is counted twice."""
    asked, release = trio.Event(), trio.Event()

    async def service(stream: trio.SocketStream) -> None:
        while data := await stream.receive_some(65536):
            if b"/slow" in data:
                asked.set()
                await release.wait()
            await stream.send_all(hello(data.split()[1]))

    async with running(tmp_path, service) as edge:
        phone = await _warm(edge)
        await phone.send(GET.replace(b" / ", b" /slow "))
        await asked.wait()
        await trio.aclose_forcefully(phone.stream)
        release.set()
        other = await edge.phone()
        assert (await other.get("/other")).body == b"/other"
        while not _at_rest(edge):
            await trio.sleep(0.01)
        assert len(edge.worker.ledger.ring) == 3
        edge.streams.remove(phone.stream)


async def test_a_phone_that_asks_to_close_is_closed_after_its_answer(tmp_path: Path) -> None:
    """On the short way as on the long one."""
    async with running(tmp_path, Script()) as edge:
        phone = await _warm(edge)
        reply = await phone.get("/", "Connection: close")
        assert (reply.status, reply["connection"]) == (200, "close")
        assert await phone.ended()


async def test_a_bug_ends_one_connection_and_nobody_elses(tmp_path: Path) -> None:
    """What a stage raises must not reach the poller, which serves everybody."""
    async with running(tmp_path, Script()) as edge:
        phone, other = await _warm(edge), await _warm(edge)
        judge = edge.worker.pipeline.run

        def run(request: object, *arguments: object) -> object:
            if request.target == b"/bug":  # type: ignore[attr-defined]
                raise ZeroDivisionError
            return judge(request, *arguments)  # type: ignore[arg-type]

        edge.worker.pipeline.run = run  # type: ignore[method-assign,assignment]
        await phone.send(GET.replace(b" / ", b" /bug "))
        assert await phone.ended()
        assert (await other.get()).status == 200
        assert edge.worker.counts.bugs.value == 1
        assert _at_rest(edge)


async def test_a_bug_on_the_way_back_gives_the_connection_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing stays counted as under way."""
    async with running(tmp_path, Script()) as edge:
        phone = await _warm(edge)

        def broken(*arguments: object) -> Answer:
            raise ZeroDivisionError

        with monkeypatch.context() as patch:
            patch.setattr(edge.worker.reply_memo, "judge", broken)
            await phone.send(GET)
            assert await phone.ended()
        assert edge.worker.counts.bugs.value == 1
        assert _at_rest(edge)
        assert (await (await edge.phone()).get()).status == 200


async def test_a_drain_reaches_a_connection_that_rests(tmp_path: Path) -> None:
    """Its next answer says so, and is its last."""
    async with running(tmp_path, Script()) as edge:
        phone = await _warm(edge)
        edge.worker.draining = True
        reply = await phone.get()
        assert reply["connection"] == "close"
        assert await phone.ended()
