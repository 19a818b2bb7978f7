"""The phones that a lab's verdict rests on, against a server of known manners."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio

from edge.lab.measure import Sample, summary
from edge.lab.phones import Phones
from edge.lab.plan import Load
from edge.lab.runner import choose
from edge.lab.wire import Place

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{"server":"toy-1"}'
Manners = Callable[[trio.SocketStream, bytes], Awaitable[bool]]


@asynccontextmanager
async def server(manners: Manners) -> AsyncIterator[Place]:
    """Calls `manners` for each request; it returns whether the connection goes on."""

    async def serve(stream: trio.SocketStream) -> None:
        data = b""
        while chunk := await stream.receive_some(65536):
            data += chunk
            while b"\r\n\r\n" in data:
                head, _, data = data.partition(b"\r\n\r\n")
                if not await manners(stream, head):
                    return

    async with trio.open_nursery() as nursery:
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        yield Place("127.0.0.1", listener.socket.getsockname()[1], "toy.test", None)
        nursery.cancel_scope.cancel()


async def play(load: Load, place: Place) -> list[Sample]:
    samples: list[Sample] = []

    async def where(source: str) -> Place:
        return place

    with trio.fail_after(10):
        await Phones(load, where, trio.current_time(), samples).run()
    return samples


async def polite(stream: trio.SocketStream, head: bytes) -> bool:
    await stream.send_all(OK)
    return True


async def test_an_open_loop_sends_what_is_due(tmp_path) -> None:
    """As many as the rate says, whoever answered."""
    async with server(polite) as place:
        samples = await play(Load(rate_per_s=200.0, for_s=0.5), place)

    assert 60 < len(samples) < 150
    assert all(sample.right and sample.server == "toy-1" for sample in samples)
    assert len({sample.trace_id for sample in samples}) == len(samples)


async def test_a_latency_is_counted_from_when_it_was_due() -> None:
    """Coordinated omission: a stall is felt by everybody who was due during it."""
    async with server(polite) as place:

        async def slowly(source: str) -> Place:
            await trio.sleep(0.2)
            return place

        samples: list[Sample] = []
        await Phones(
            Load(rate_per_s=50.0, for_s=0.3, connection="new"), slowly, trio.current_time(), samples
        ).run()

    assert summary(samples, 0.3)["p50_ms"] >= 200


async def test_a_retry_is_one_request_with_two_attempts() -> None:
    """The storm is counted where it is made."""
    seen = 0

    async def moody(stream: trio.SocketStream, head: bytes) -> bool:
        nonlocal seen
        seen += 1
        await stream.send_all(OK if seen % 2 == 0 else b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
        return True

    async with server(moody) as place:
        samples = await play(Load(kind="users", users=1, think_ms=5.0, for_s=0.2, retries=1), place)

    assert all(sample.right and sample.attempts == 2 for sample in samples)


@pytest.mark.parametrize(
    ("manners", "error"),
    [
        ("hang", "timeout"),
        ("close", "reset"),
        ("rubbish", "bad-reply"),
    ],
)
async def test_every_way_to_fail_has_a_name(manners: str, error: str) -> None:
    """A report that says "error" teaches nothing."""

    async def rude(stream: trio.SocketStream, head: bytes) -> bool:
        if manners == "hang":
            await trio.sleep_forever()
        if manners == "rubbish":
            await stream.send_all(b"\x00\x01 nonsense\r\n\r\n")
            await trio.sleep(1)
        await stream.aclose()
        return False

    async with server(rude) as place:
        samples = await play(Load(rate_per_s=20.0, for_s=0.1, timeout_s=0.3), place)

    assert {sample.error for sample in samples} == {error}
    assert not any(sample.right for sample in samples)


async def test_nobody_there_is_refused() -> None:
    """The kernel says so at once."""
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    await listener.aclose()

    samples = await play(Load(rate_per_s=20.0, for_s=0.1), Place("127.0.0.1", port, "toy.test", None))

    assert {sample.error for sample in samples} == {"refused"}


async def test_slowloris_notices_when_it_is_thrown_out() -> None:
    """Held is the attack's success, closed its end."""

    async def throw_out(stream: trio.SocketStream) -> None:
        await stream.receive_some(100)
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, throw_out, [listener])
        place = Place("127.0.0.1", listener.socket.getsockname()[1], "toy.test", None)
        thrown = await play(Load(kind="slowloris", users=3, for_s=1.5), place)
        nursery.cancel_scope.cancel()

    assert {sample.error for sample in thrown} <= {"closed", "reset"}
    assert len(thrown) == 3


def test_the_requests_to_look_at_are_a_typical_a_slow_and_a_failed_one() -> None:
    """Four thousand samples, three stories."""
    made = [
        Sample(load="p", at_s=0, ms=float(ms), status=200, right=True, trace_id=f"{ms}")
        for ms in range(1, 101)
    ]
    failed = Sample(load="p", at_s=9, ms=5.0, status=503, trace_id="bad")

    chosen = choose([*made, failed, Sample(load="p", at_s=0, ms=1e9, right=True)])

    assert [sample.trace_id for _, sample in chosen] == ["51", "100", "bad"]
    assert choose([]) == []
