"""Copying between two sockets; what a connection's story adds is tests/l4/test_relay.py's."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
import trio.testing

from edge.common.faults import Fault
from edge.common.metrics import Number
from edge.l4.copying import CHUNK_BYTES, Copier, Flow


class Ends:
    """Phone and endpoint, with a copier between their other ends."""

    def __init__(self) -> None:
        self.phone, self.phone_side = socket.socketpair()
        self.endpoint, self.endpoint_side = socket.socketpair()
        for end in (self.phone, self.phone_side, self.endpoint, self.endpoint_side):
            end.setblocking(False)
        self.copier = Copier(Number(), Number())
        self.flow = Flow(trio.CancelScope(), 0.0)

    def close(self) -> None:
        for end in (self.phone, self.phone_side, self.endpoint, self.endpoint_side):
            end.close()


@asynccontextmanager
async def copying() -> AsyncIterator[Ends]:
    ends = Ends()
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ends.copier.both_ways, ends.phone_side, ends.endpoint_side, ends.flow)
            yield ends
            nursery.cancel_scope.cancel()
    ends.close()


async def test_a_reader_that_stops_stops_its_writer() -> None:
    """Beyond the kernel's buffers one chunk is held, and nothing more is read."""
    async with copying() as ends:
        sent = 0
        for _ in range(100):
            try:
                while True:
                    sent += ends.phone.send(bytes(65536))
            except BlockingIOError:
                await trio.testing.wait_all_tasks_blocked(0.01)
        stuck = ends.flow.bytes_in
        for _ in range(10):
            await trio.testing.wait_all_tasks_blocked(0.01)

        room = ends.endpoint_side.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        assert ends.flow.bytes_in == stuck
        assert stuck <= room + CHUNK_BYTES


async def test_slowed_down_bytes_arrive_all_the_same() -> None:
    """A fault may delay and cut into slices; it must not lose or mix."""
    data = bytes(range(256)) * 40
    async with copying() as ends:
        ends.copier.faults.add(Fault(id="f", kind="bandwidth", amount=200.0), trio.current_time())
        await trio.lowlevel.wait_writable(ends.phone)
        ends.phone.send(data)
        ends.phone.shutdown(socket.SHUT_WR)
        arrived = b""
        while True:
            await trio.lowlevel.wait_readable(ends.endpoint)
            piece = ends.endpoint.recv(65536)
            if not piece:
                break
            arrived += piece

    assert arrived == data
