"""What becomes of a request when a service fails."""

from pathlib import Path

import trio
from msgspec.structs import replace

from edge.common.config import ClusterConfig, Config, RetryConfig
from tests.kit.l7_edge import Script, hello, running

GONE = "127.0.0.1:1"  # nobody listens there: the kernel says so at once


def _cluster(*more: str, **values: object) -> "object":
    def change(config: Config) -> Config:
        (cluster,) = config.cluster
        return replace(config, cluster=(replace(cluster, endpoints=(*cluster.endpoints, *more), **values),))

    return change


async def test_a_dead_endpoint_costs_a_retry_and_no_request(tmp_path: Path) -> None:
    """Nothing was sent, so another copy gets it, POST or not."""
    service = Script()

    async with running(tmp_path, service, _cluster(GONE, balance="round-robin")) as edge:
        phone = await edge.phone()
        statuses = []
        for _ in range(4):
            statuses.append((await phone.get()).status)
            await phone.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
            statuses.append((await phone.reply()).status)
        retries = edge.worker.forwarder.retries

    assert statuses == [200] * 8
    assert retries > 0
    assert set(service.bodies) == {b"", b"hello"}


async def test_a_connection_that_was_closed_while_idle_is_nobodys_fault(tmp_path: Path) -> None:
    """The keep-alive race: sent again on a fresh connection, without touching the retry budget."""
    count = 0

    async def service(stream: trio.SocketStream) -> None:
        nonlocal count
        # Each connection answers once and is gone when the second request arrives on it.
        asked = await stream.receive_some(5000)
        await stream.send_all(hello(b"hello"))
        if asked.startswith(b"GET /healthz"):
            return
        count += 1
        if count == 1:
            await stream.receive_some(5000)

    async with running(tmp_path, service, _cluster(retry=RetryConfig(attempts=0))) as edge:
        phone = await edge.phone()
        first, second = await phone.get(), await phone.get()
        stale = edge.worker.forwarder.stale_retries

    assert (first.status, second.status, stale) == (200, 200, 1)


async def test_a_post_that_may_have_been_seen_is_not_sent_twice(tmp_path: Path) -> None:
    """RFC 9110 section 9.2.2: better an error than two payments."""
    service = Script(lambda head, body: None)

    async with running(tmp_path, service, _cluster(retry=RetryConfig(attempts=3))) as edge:
        phone = await edge.phone()
        await phone.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
        reply = await phone.reply()

    assert reply.status == 502
    assert len(service.heads) == 1
    assert "connection_terminated" in reply["proxy-status"]


async def test_a_get_is_tried_again_elsewhere_and_then_given_up(tmp_path: Path) -> None:
    """Within its number of attempts; the phone is told whose fault it was."""
    service = Script(lambda head, body: None)

    async with running(tmp_path, service, _cluster(retry=RetryConfig(attempts=1))) as edge:
        phone = await edge.phone()
        reply = await phone.get()

    assert reply.status == 502
    assert b'"edge_flag":"UR' in reply.body or b'"edge_flag":"UC' in reply.body


async def test_a_service_that_keeps_silent_times_out(tmp_path: Path) -> None:
    """504, and the connection to the phone lives on."""

    async def service(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async with running(tmp_path, service, _cluster(try_timeout_s=0.1, retry=RetryConfig(attempts=0))) as edge:
        phone = await edge.phone()
        reply = await phone.get()
        assert reply.status == 504
        assert b"UT" in reply.body
        assert (await phone.get()).status in (503, 504)


async def test_an_answer_that_breaks_off_is_not_taken_for_whole(tmp_path: Path) -> None:
    """The head is gone out already: all we can do is end the connection before the length is reached."""

    async def service(stream: trio.SocketStream) -> None:
        await stream.receive_some(5000)
        await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf")

    async with running(tmp_path, service) as edge:
        phone = await edge.phone()
        await phone.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        while b"half" not in phone.buffer:
            await phone._more()
        assert not await phone._more(end=True)
        edge.worker._tick(trio.current_time())
        flags = [record.flag for record in edge.worker.ledger.ring._records]

    assert flags == ["UC"]


async def test_nonsense_from_a_service_becomes_502(tmp_path: Path) -> None:
    """A phone never gets bytes that we could not read."""
    for nonsense in (
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
    ):
        service = Script(lambda head, body, nonsense=nonsense: nonsense)  # type: ignore[misc]
        async with running(tmp_path, service, _cluster(retry=RetryConfig(attempts=0))) as edge:
            phone = await edge.phone()
            assert (await phone.get()).status == 502


async def test_a_draining_copy_hands_its_request_to_another(tmp_path: Path) -> None:
    """503 to something idempotent is tried once more, with whoever is picked then."""
    answers = iter([hello(b"", status=b"503 Service Unavailable"), hello(b"hello"), hello(b"hello")])
    service = Script(lambda head, body: next(answers))

    async with running(tmp_path, service, _cluster("localhost:1", balance="round-robin")) as edge:
        phone = await edge.phone()
        replies = [(await phone.get()).status for _ in range(2)]

    assert 200 in replies


async def test_no_endpoint_at_all_is_said_as_such(tmp_path: Path) -> None:
    """UH, 503 and a hint when to come back."""

    def change(config: Config) -> Config:
        return replace(config, cluster=(ClusterConfig(name="toy", service="nobody"),))

    async with running(tmp_path, Script(), change) as edge:
        phone = await edge.phone()
        reply = await phone.get()

    assert (reply.status, reply["retry-after"]) == (503, "1")
    assert b'"edge_flag":"UH"' in reply.body
