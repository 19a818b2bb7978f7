"""Relayed connections at the worker: who may say who the phone is."""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest
import trio

from edge.common.handover import Handover
from edge.common.log import Log
from edge.common.metrics import Registry
from edge.common.proxy_protocol import Endpoint, encode_v2
from edge.l7.relay_receiver import RelayReceiver

PHONE, VIP = Endpoint("203.0.113.9", 40112), Endpoint("127.0.1.1", 8443)


class Door:
    """A receiver and what came through it."""

    def __init__(self, trusted: tuple[str, ...]) -> None:
        self.taken: list[tuple[socket.socket, Handover]] = []
        self.metrics = Registry()
        self.arrived = trio.Event()
        self.streams: list[trio.SocketStream] = []
        self.receiver = RelayReceiver(
            self.take, Log("edge-l7", "test"), self.metrics, trusted=trusted, http_port=8000
        )
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)

    def take(self, sock: socket.socket, record: Handover, ended: Callable[[int], None], rtt_us: int) -> None:
        self.taken.append((sock, record))
        self.arrived.set()

    async def knock(self, data: bytes) -> trio.SocketStream:
        stream = await trio.open_tcp_stream(*self.listener.getsockname())
        self.streams.append(stream)
        if data:
            with suppress(trio.BrokenResourceError):  # turned away before it had spoken
                await stream.send_all(data)
        return stream

    def counted(self, result: str) -> float:
        (family,) = (one for one in self.metrics.snapshot() if one["name"] == "edge_l7_relayed_total")
        counts: dict[str, float] = {labels[0]: value for labels, value in family["values"]}
        return counts[result]


@asynccontextmanager
async def door(*trusted: str) -> AsyncIterator[Door]:
    made = Door(trusted)
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(made.receiver.run, made.listener)
            yield made
            nursery.cancel_scope.cancel()
    made.listener.close()
    for stream in made.streams:
        await stream.aclose()
    for sock, _ in made.taken:
        sock.close()


async def hung_up(stream: trio.SocketStream) -> bool:
    try:
        return await stream.receive_some(1) == b""
    except trio.BrokenResourceError:
        return True


async def test_a_known_l4s_header_names_the_phone_and_leaves_the_rest() -> None:
    """The connection goes on as if it had been handed over."""
    async with door("127.0.0.1/32") as made:
        await made.knock(encode_v2(PHONE, VIP) + b"\x16")
        await made.arrived.wait()

        sock, record = made.taken[0]
        assert (record.source_ip, record.source_port) == PHONE
        assert sock.recv(10) == b"\x16"
        assert made.counted("taken") == 1


async def test_a_header_of_an_untrusted_peer_is_refused_unread(capsys: pytest.CaptureFixture[str]) -> None:
    """Or any process of this network could be any phone."""
    async with door("127.0.0.9/32") as made:
        assert await hung_up(await made.knock(encode_v2(PHONE, VIP)))
        assert made.counted("untrusted") == 1
        assert made.taken == []
    assert "relay.untrusted" in capsys.readouterr().out


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"PROXY TCP4 nonsense\r\n"])
async def test_what_is_no_header_costs_that_connection_only(data: bytes) -> None:
    """Logged, counted, and the next one is served."""
    async with door("127.0.0.0/8") as made:
        assert await hung_up(await made.knock(data))
        assert made.counted("bad-header") == 1
        await made.knock(encode_v2(PHONE, VIP))
        await made.arrived.wait()


async def test_a_header_that_is_cut_up_by_the_end_costs_that_connection_only() -> None:
    """Half a header and then nothing more to come."""
    async with door("127.0.0.0/8") as made:
        half = await made.knock(encode_v2(PHONE, VIP)[:20])
        await half.send_eof()
        assert await hung_up(half)
        await made.knock(encode_v2(PHONE, VIP))
        await made.arrived.wait()
        assert made.counted("bad-header") == 1


async def test_a_probe_of_the_l4_is_answered_by_hanging_up() -> None:
    """It is what the L4 waits for, and no phone's connection."""
    async with door("127.0.0.0/8") as made:
        assert await hung_up(await made.knock(encode_v2(None, None)))
        assert (made.counted("probe"), made.taken) == (1, [])


async def test_more_headers_than_are_awaited_at_once_are_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trusted host that went wild holds so many tasks and no more."""
    monkeypatch.setattr("edge.l7.relay_receiver.WAITING_MAX", 2)
    async with door("127.0.0.0/8") as made:
        for _ in range(2):
            await made.knock(b"PROXY ")
        await trio.testing.wait_all_tasks_blocked()
        assert await hung_up(await made.knock(b"PROXY "))
        assert made.counted("too-many-waiting") == 1
