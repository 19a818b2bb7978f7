"""A handshake is driven by the poller: it may be slow, fail or stall, and costs no task."""

import socket
import ssl
from pathlib import Path

import pytest
import trio
from msgspec.structs import replace

from edge.common.config import Config
from edge.l7 import handshake
from edge.l7.transport import Transport
from tests.kit.l7_edge import Edge, Script, running


def _hurried(config: Config) -> Config:
    return replace(config, l7=replace(config.l7, tls_handshake_timeout_s=0.1))


def _tasks(edge: Edge) -> int:
    """How many tasks the worker's nursery holds."""
    assert edge.worker._nursery is not None, "it runs"
    return len(edge.worker._nursery.child_tasks)


async def _until_open(edge: Edge, count: int) -> None:
    while len(edge.worker.connections) != count:
        await trio.sleep(0.01)


async def test_a_connection_that_shakes_hands_or_rests_has_no_task(tmp_path: Path) -> None:
    """10,000 idle phones would be 10,000 suspended stacks, and a flood of half handshakes as well."""
    async with running(tmp_path, Script()) as edge:
        assert (await (await edge.phone()).get()).status == 200
        before = _tasks(edge)
        half = [await trio.open_tcp_stream("127.0.0.1", edge.ports["https"]) for _ in range(3)]
        phones = [await edge.phone() for _ in range(3)]
        for phone in phones:
            assert (await phone.get()).status == 200
        await _until_open(edge, 7)

        assert _tasks(edge) == before
        for stream in half:
            await stream.aclose()
        await _until_open(edge, 4)


async def test_a_hello_that_comes_in_pieces_is_waited_for(tmp_path: Path) -> None:
    """A segment ends where the network likes."""
    async with running(tmp_path, Script()) as edge:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context(cafile=str(edge.ca))
        phone = context.wrap_bio(incoming, outgoing, server_hostname="i.edge.test")
        with pytest.raises(ssl.SSLWantReadError):
            phone.do_handshake()
        hello = outgoing.read()
        stream = await trio.open_tcp_stream("127.0.0.1", edge.ports["https"])
        edge.streams.append(stream)
        for start in range(0, len(hello), 100):
            await stream.send_all(hello[start : start + 100])
            await trio.sleep(0.001)

        done = False
        while not done:
            incoming.write(await stream.receive_some(65536))
            try:
                phone.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                pass
        assert phone.version() == "TLSv1.3"


async def test_who_never_finishes_is_cut_after_his_time(tmp_path: Path) -> None:
    """Slowloris below HTTP."""
    async with running(tmp_path, Script(), _hurried) as edge:
        stream = await trio.open_tcp_stream("127.0.0.1", edge.ports["https"])
        await stream.send_all(b"\x16\x03\x01\x02")
        assert await stream.receive_some(100) == b""
        await _until_open(edge, 0)
        assert edge.worker.receiver.open == 0, "and L4 is told"
        await stream.aclose()


async def test_who_hangs_up_in_the_middle_is_forgotten(tmp_path: Path) -> None:
    """With and without a reset."""
    async with running(tmp_path, Script()) as edge:
        for reset in (False, True):
            stream = await trio.open_tcp_stream("127.0.0.1", edge.ports["https"])
            await stream.send_all(b"\x16\x03\x01\x02")
            await _until_open(edge, 1)
            if reset:
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            await stream.aclose()
            await _until_open(edge, 0)
        assert edge.worker.counts.bugs.value == 0


async def test_a_phone_without_room_for_our_hello_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one moment in a handshake at which a task is needed: the kernel takes no more."""
    shake, stalled = Transport.shake_hands, []

    def without_room(self: Transport) -> bool:
        if not stalled:
            stalled.append(self)
            raise ssl.SSLWantWriteError
        return shake(self)

    monkeypatch.setattr(Transport, "shake_hands", without_room)
    async with running(tmp_path, Script()) as edge:
        phone = await edge.phone()
        assert stalled
        assert (await phone.get()).status == 200


async def test_a_bug_in_a_handshake_ends_that_connection_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It happens inside the poller, which serves everybody."""

    def broken(tls: object) -> dict[str, str | bool]:
        raise ZeroDivisionError

    async with running(tmp_path, Script()) as edge:
        phone = await edge.phone()
        assert (await phone.get()).status == 200
        with monkeypatch.context() as patch:
            patch.setattr(handshake, "describe", broken)
            other = await edge.phone()
            assert await other.ended()
        assert (await phone.get()).status == 200
        assert edge.worker.counts.bugs.value == 1
        await _until_open(edge, 1)
