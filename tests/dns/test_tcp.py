"""DNS over TCP, on memory streams; one test with real sockets for the accept loop."""

import socket

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from edge.dns import tcp


def upper(data: bytes, source: str) -> bytes | None:
    return None if data == b"nonsense" else data.upper() + b" " + source.encode()


def framed(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


async def read_all(stream: trio.abc.ReceiveStream) -> bytes:
    return b"".join([chunk async for chunk in stream])


async def test_several_queries_share_a_connection_however_they_are_cut() -> None:
    """Byte by byte or all at once: RFC 7766 section 8 leaves that to the phone."""
    phone, ours = memory_stream_pair()

    async def talk() -> None:
        for byte in framed(b"first"):
            await phone.send_all(bytes([byte]))
        await phone.send_all(framed(b"second") + framed(b"third"))
        await phone.send_eof()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk)
        await tcp.converse(ours, "here", upper, idle_timeout_s=5.0)
        await ours.send_eof()
        assert await read_all(phone) == framed(b"FIRST here") + framed(b"SECOND here") + framed(b"THIRD here")


async def test_an_idle_connection_is_ended(autojump_clock: MockClock) -> None:
    """Also one that drips: the deadline is for the whole message."""
    phone, ours = memory_stream_pair()

    async def drip() -> None:
        for byte in framed(b"a message that takes too long"):
            await phone.send_all(bytes([byte]))
            await trio.sleep(1.0)

    started = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drip)
        await tcp.converse(ours, "here", upper, idle_timeout_s=5.0)
        nursery.cancel_scope.cancel()

    assert trio.current_time() - started == pytest.approx(5.0)


@pytest.mark.parametrize("sent", [framed(b"nonsense"), b"\xff\xff", b"\x00"])
async def test_nonsense_ends_the_connection(sent: bytes) -> None:
    """No reply, a size beyond any query, half a length: nothing to go on with."""
    phone, ours = memory_stream_pair()
    await phone.send_all(sent)
    await phone.send_eof()

    await tcp.converse(ours, "here", upper, idle_timeout_s=5.0)
    await ours.send_eof()

    assert await read_all(phone) == b""


async def test_one_address_cannot_hold_every_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest is closed; those that talk go on; a freed place is free again."""
    monkeypatch.setattr(tcp, "CONNECTIONS_PER_SOURCE_MAX", 2)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    port = listener.getsockname()[1]

    async def ask(stream: trio.SocketStream) -> bytes:
        await stream.send_all(framed(b"hello"))
        return bytes(await stream.receive_some())

    async def welcome() -> bool:
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            try:
                return bool(await ask(stream))
            except trio.BrokenResourceError:
                return False

    with listener, trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tcp.serve, listener, upper, 5.0)
            first = await trio.open_tcp_stream("127.0.0.1", port)
            async with await trio.open_tcp_stream("127.0.0.1", port) as second:
                assert await ask(first) == await ask(second) == framed(b"HELLO 127.0.0.1")
                async with await trio.open_tcp_stream("127.0.0.1", port) as third:
                    assert await third.receive_some() == b""
                await first.aclose()
                while not await welcome():
                    pass
            nursery.cancel_scope.cancel()
