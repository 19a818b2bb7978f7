"""The cache in a real worker, with phones over TLS."""

import ssl
from collections import Counter
from pathlib import Path

import msgspec
import pytest
import trio

from edge.common.config import Config, L7Config, RouteConfig
from edge.common.process import Process
from tests.kit.l7_edge import Edge, Phone, Reply, hello, running

pytestmark = pytest.mark.e2e

CACHED = RouteConfig(path="/*", name="cached", cluster="toy", cache=True, limits=())
PHONES = 1000


def cached(config: Config) -> Config:
    # A thousand handshakes in one thread, on both sides, take longer than phones usually wait.
    l7 = L7Config(head_timeout_s=60.0, tls_handshake_timeout_s=60.0)
    return msgspec.structs.replace(config, route=(CACHED,), l7=l7)


class Slow:
    """A service that counts requests, and answers each when it is told to."""

    def __init__(self, *fields: bytes) -> None:
        self.fields = fields
        self.asked = 0
        self.may_answer = trio.Event()

    async def __call__(self, stream: trio.SocketStream) -> None:
        while data := await stream.receive_some(65536):
            if data.startswith(b"GET /healthz "):
                await stream.send_all(hello(b"well"))
                continue
            self.asked += data.count(b"\r\n\r\n")
            await self.may_answer.wait()
            await stream.send_all(hello(b"picture", *self.fields))


async def phones(edge: Edge, count: int) -> list[Phone]:
    context = ssl.create_default_context(cafile=str(edge.ca))
    return [await edge.phone(context=context) for _ in range(count)]


async def test_a_thousand_phones_at_once_are_one_request_to_the_service(
    tmp_path: Path,
) -> None:
    """Issue 4: single flight, proven where it counts."""
    service = Slow(b"cache-control: max-age=60")
    replies: list[Reply] = []

    async with running(tmp_path, service, cached, patience_s=120) as edge:
        callers = await phones(edge, PHONES)

        async def ask(phone: Phone) -> None:
            replies.append(await phone.get("/media/7"))

        async with trio.open_nursery() as nursery:
            for phone in callers:
                nursery.start_soon(ask, phone)
            await trio.sleep(0.5)
            service.may_answer.set()

    told = Counter(reply["cache-status"].partition("; ttl")[0] for reply in replies)
    assert service.asked == 1
    assert Counter((reply.status, reply.body) for reply in replies) == {(200, b"picture"): PHONES}
    assert told["edge-cache; fwd=uri-miss; stored"] == 1
    assert told["edge-cache; fwd=miss; collapsed"] + told["edge-cache; hit"] == PHONES - 1
    assert told["edge-cache; fwd=miss; collapsed"] > PHONES / 2


async def test_the_next_phone_is_answered_from_memory_in_every_form(
    tmp_path: Path,
) -> None:
    """Whole, head only, a part, and "you have it"."""
    service = Slow(b"cache-control: max-age=60", b'etag: "v1"', b"content-type: image/png")
    service.may_answer.set()

    async with running(tmp_path, service, cached) as edge:
        phone = await edge.phone()
        first = await phone.get("/a")
        whole = await phone.get("/a")
        head = await phone.get("/a", method="HEAD")
        part = await phone.get("/a", "Range: bytes=0-3")
        unchanged = await phone.get("/a", 'If-None-Match: "v1"')
        again = await phone.get("/a")

    assert service.asked == 1
    assert [reply.status for reply in (first, whole, head, part, unchanged, again)] == [
        200,
        200,
        200,
        206,
        304,
        200,
    ]
    assert (whole.body, part.body, again.body) == (b"picture", b"pict", b"picture")
    assert head["content-length"] == "7"
    assert whole["content-type"] == "image/png"
    assert whole["cache-status"].startswith("edge-cache; hit; ttl=")


async def test_a_stale_picture_is_served_while_it_is_fetched_anew(
    tmp_path: Path,
) -> None:
    """Nobody waits for the service, and the one after gets the new one."""
    service = Slow(b"cache-control: max-age=0, stale-while-revalidate=60")
    service.may_answer.set()

    async with running(tmp_path, service, cached) as edge:
        phone = await edge.phone()
        await phone.get("/a")
        service.may_answer = trio.Event()  # the service hangs from now on
        with trio.fail_after(5):
            stale = await phone.get("/a")
            while service.asked < 2:
                await trio.sleep(0.01)

    assert stale.body == b"picture"
    assert stale["cache-status"].startswith("edge-cache; hit; detail=stale")


async def test_a_purge_over_the_control_channel_forgets(tmp_path: Path) -> None:
    """`purge` with a path, or a start of one."""
    service = Slow(b"cache-control: max-age=60")
    service.may_answer.set()

    async with running(tmp_path, service, cached) as edge:
        phone = await edge.phone()
        await phone.get("/media/1")
        detail = await _command(edge.process, "purge", path="/media/*")
        await phone.get("/media/1")

    assert detail == "l7-test-1 forgot 1 responses under /media/*"
    assert service.asked == 2


async def _command(process: Process, action: str, **args: object) -> str:
    return await process.link.commands[action](args)


async def test_absolute_form_names_the_host_whatever_host_says(tmp_path: Path) -> None:
    """Two spellings of a host in one request must not store one's answer for the other."""
    service = Slow(b"cache-control: max-age=60")
    service.may_answer.set()

    async with running(tmp_path, service, cached) as edge:
        phone = await edge.phone()
        await phone.get("https://i.edge.test:1337/a")
        honest = await phone.get("/a")
        again = await phone.get("https://i.edge.test:1337/a")

    assert service.asked == 2
    assert honest["cache-status"].startswith("edge-cache; fwd=uri-miss")
    assert again["cache-status"].startswith("edge-cache; hit")
