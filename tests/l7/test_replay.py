"""A service that drains gives back what it has not begun, and another copy gets it: also a POST."""

from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from msgspec.structs import replace

from edge.common.config import Config, RetryConfig
from edge.l7.phone_body import HELD_BYTES_MAX
from tests.kit.l7_edge import Edge, Phone, Script, hello, running

GIVEN_BACK = hello(
    b"", b"edge-unprocessed: draining", b"connection: close", status=b"503 Service Unavailable"
)


def _retrying(attempts: int) -> Callable[[Config], Config]:
    def change(config: Config) -> Config:
        (cluster,) = config.cluster
        return replace(config, cluster=(replace(cluster, retry=RetryConfig(attempts=attempts)),))

    return change


def _drains(times: int = 1, refusal: bytes = GIVEN_BACK) -> Script:
    """Gives the first `times` requests back."""

    def answer(head: bytes, body: bytes) -> bytes:
        return refusal if len(script.heads) <= times else hello(b"done")

    script = Script(answer)
    return script


async def _post(phone: Phone, body: bytes = b"hello") -> int:
    await phone.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    return (await phone.reply()).status


@pytest.mark.parametrize("attempts", [0, 1])
async def test_a_post_that_was_given_back_is_sent_again(tmp_path: Path, attempts: int) -> None:
    """Also where retries are forbidden: the service has not been asked twice to *do* it."""
    service = _drains()

    async with running(tmp_path, service, _retrying(attempts)) as edge:
        phone = await edge.phone()
        statuses = [await _post(phone), await _post(phone)]
        spent = edge.worker.forwarder.targets["toy"].cluster.explain()["retries_spent"]

    assert statuses == [200, 200], "and the phone's connection lives on"
    assert service.bodies == [b"hello"] * 3
    assert spent == 0, "it cost the service nothing, so it costs no budget"


async def test_chunks_are_replayed_with_what_is_still_to_come(tmp_path: Path) -> None:
    """The service gives it back in the middle; the other one gets all, while the phone goes on sending."""
    first = True
    given_back = trio.Event()
    got = Script()

    async def service(stream: trio.SocketStream) -> None:
        nonlocal first
        if not first:
            await got(stream)
            return
        data = b""
        while b"part one" not in data:
            data += bytes(await stream.receive_some(5000))
            if data.startswith(b"GET /healthz"):
                await stream.send_all(hello(b"well", b"connection: close"))
                return
        first = False
        await stream.send_all(GIVEN_BACK)
        given_back.set()
        await stream.receive_some(1)

    async with running(tmp_path, service) as edge:
        phone = await edge.phone()
        await phone.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n8\r\npart one\r\n")
        await given_back.wait()
        await phone.send(b"9\r\n part two\r\n")
        await phone.send(b"0\r\n\r\n")
        status = (await phone.reply()).status
        after = (await phone.get()).status

    assert (status, after) == (200, 200)
    assert got.bodies[0] == b"8\r\npart one\r\n9\r\n part two\r\n0\r\n\r\n"


async def test_a_503_without_the_word_is_passed_on(tmp_path: Path) -> None:
    """It may have done half of it: RFC 9110 section 9.2.2 forbids to guess."""
    refusal = hello(b"no", status=b"503 Service Unavailable")
    service = _drains(refusal=refusal)

    async with running(tmp_path, service, _retrying(3)) as edge:
        status = await _post(await edge.phone())

    assert (status, len(service.heads)) == (503, 1)


async def test_the_word_counts_in_a_503_only(tmp_path: Path) -> None:
    """Any other status is an answer, and an answer is passed on."""
    service = _drains(refusal=hello(b"odd", b"edge-unprocessed: draining"))

    async with running(tmp_path, service) as edge:
        phone = await edge.phone()
        await phone.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        reply = await phone.reply()

    assert (reply.status, reply.body, len(service.heads)) == (200, b"odd", 1)
    assert reply["edge-unprocessed"] == "", "that is between the service and us"


async def test_a_body_that_is_not_held_any_more_cannot_be_sent_again(tmp_path: Path) -> None:
    """An upload is streamed and forgotten; its phone hears 503 and may decide itself."""
    service = _drains()

    async with running(tmp_path, service, _retrying(3)) as edge:
        status = await _post(await edge.phone(), b"x" * (HELD_BYTES_MAX + 1))

    assert (status, len(service.heads)) == (503, 1)


async def test_it_is_not_passed_around_for_ever(tmp_path: Path) -> None:
    """Everybody drains: after three tries the phone is told."""
    service = _drains(times=1000)

    async with running(tmp_path, service) as edge:
        phone = await edge.phone()
        await phone.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        reply = await phone.reply()
        flags = _flags(edge)

    assert reply.status == 503
    assert reply["retry-after"] == "1"
    assert 2 <= len(service.heads) <= 4
    assert flags == ["UD"]


def _flags(edge: Edge) -> list[str]:
    return [record.flag for record in edge.worker.ledger.ring.newest()]
