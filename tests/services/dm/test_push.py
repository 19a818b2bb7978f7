"""New messages come by themselves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import trio

from edge.common import http_server
from edge.common.http_client import Address
from edge.common.process import Process
from edge.common.websocket import CLOSE, PING, PONG, TEXT, Decoder, Message, encode
from services.dm import push
from services.dm.service import serve
from services.dm.threads import thread_of
from tests.kit.services import ADA, ask, process_of, running

THREAD = str(thread_of(1, 2))
MASK = b"\x01\x02\x03\x04"


class Phone:
    """The client's end of a WebSocket."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._decoder = Decoder(100_000, from_client=False)
        self._waiting: list[Message] = []

    async def next(self) -> Message:
        while not self._waiting:
            data = await self.stream.receive_some(4096)
            assert data, "the service closed without a word"
            self._waiting += self._decoder.feed(bytes(data))
        return self._waiting.pop(0)

    async def next_json(self) -> Any:
        message = await self.next()
        assert message.opcode == TEXT
        return orjson.loads(message.data)

    async def send(self, opcode: int, data: bytes) -> None:
        await self.stream.send_all(encode(opcode, data, MASK))


@asynccontextmanager
async def phone_of(account: int, address: Address) -> AsyncIterator[Phone]:
    stream = await trio.open_tcp_stream(*address)
    async with stream:
        await stream.send_all(
            b"GET /api/v1/direct_v2/stream/ HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
            b"Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\nEdge-Account: %d\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" % account
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += await stream.receive_some(1)
        assert head.startswith(b"HTTP/1.1 101")
        assert b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
        with trio.fail_after(5):
            yield Phone(stream)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often, and drain without grace."""
    monkeypatch.setattr(push, "LOOK_INTERVAL_S", 0.005)
    monkeypatch.setattr(push, "GRACE_S", 0.01)
    monkeypatch.setattr(http_server, "GRACE_S", 0.01)


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Address, Address]]:
    async with (
        running(serve, process_of("dm", tmp_path, name="dm-1")) as one,
        running(serve, process_of("dm", tmp_path, name="dm-2")) as two,
    ):
        yield one, two


async def test_two_phones_chat_across_two_instances(pair: tuple[Address, Address]) -> None:
    """Each is told of both sides' messages, its own with an acknowledgement before or after."""
    async with phone_of(1, pair[0]) as ada, phone_of(2, pair[1]) as grace:
        await ada.send(TEXT, orjson.dumps({"type": "send", "thread_id": THREAD, "text": "over there?"}))
        pushed = await grace.next_json()
        told = sorted([(await ada.next_json())["type"], (await ada.next_json())["type"]])

        assert told == ["message", "sent"]
        assert (pushed["type"], pushed["thread_id"]) == ("message", THREAD)
        assert (pushed["item"]["text"], pushed["item"]["user_id"]) == ("over there?", 1)

        await ask(
            pair[0],
            f"/api/v1/direct_v2/threads/{THREAD}/items/",
            ADA,
            method="POST",
            body=b'{"text":"by POST"}',
        )
        assert (await grace.next_json())["item"]["text"] == "by POST"


async def test_strangers_hear_nothing(pair: tuple[Address, Address]) -> None:
    """linus listens at the same instance."""
    async with phone_of(3, pair[0]) as linus, phone_of(2, pair[0]) as grace:
        await grace.send(TEXT, orjson.dumps({"type": "send", "thread_id": THREAD, "text": "secret"}))
        await grace.next_json()
        await grace.next_json()
        await linus.send(PING, b"still there?")

        assert await linus.next() == Message(PONG, b"still there?")


@pytest.mark.parametrize(
    "text",
    [
        b"nonsense",
        b"{}",
        b'{"type":"send","thread_id":"2000000003","text":"not mine"}',
        b'{"type":"send","thread_id":"1000000002","text":""}',
    ],
)
async def test_a_bad_message_is_answered_and_the_conversation_goes_on(
    pair: tuple[Address, Address], text: bytes
) -> None:
    """A phone's bug costs one message."""
    async with phone_of(1, pair[0]) as ada:
        await ada.send(TEXT, text)
        assert (await ada.next_json())["type"] == "error"
        await ada.send(PING, b"x")
        assert (await ada.next()).opcode == PONG


async def test_closing_is_answered_with_closing(pair: tuple[Address, Address]) -> None:
    """RFC 6455 section 5.5.1, with the same code."""
    async with phone_of(1, pair[0]) as ada:
        await ada.send(CLOSE, (1000).to_bytes(2))

        assert (await ada.next()).close_code == 1000
        assert await ada.stream.receive_some(1) == b""


async def test_breaking_the_protocol_is_told_by_its_code(pair: tuple[Address, Address]) -> None:
    """An unmasked frame: 1002."""
    async with phone_of(1, pair[0]) as ada:
        await ada.stream.send_all(encode(TEXT, b"{}"))

        assert (await ada.next()).close_code == 1002


async def test_a_drain_says_goodbye(tmp_path: Path) -> None:
    """1001: the phone connects again and lands elsewhere."""
    process: Process = process_of("dm", tmp_path)
    async with running(serve, process) as address, phone_of(1, address) as ada:
        process.draining.set()

        assert (await ada.next()).close_code == 1001


async def test_an_account_has_a_bounded_number_of_sockets(pair: tuple[Address, Address]) -> None:
    """One phone in a loop must not take all connections."""
    async with trio.open_nursery() as nursery:
        opened = 0
        enough = trio.Event()

        async def hold() -> None:
            nonlocal opened
            async with phone_of(1, pair[0]):
                opened += 1
                if opened == push.SOCKETS_PER_ACCOUNT_MAX:
                    enough.set()
                await trio.sleep_forever()

        for _ in range(push.SOCKETS_PER_ACCOUNT_MAX):
            nursery.start_soon(hold)
        await enough.wait()
        headers = (
            (b"upgrade", b"websocket"),
            (b"connection", b"upgrade"),
            (b"sec-websocket-version", b"13"),
            (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        )
        refused = await ask(pair[0], "/api/v1/direct_v2/stream/", ADA, *headers)
        nursery.cancel_scope.cancel()

    assert refused.status == 429
