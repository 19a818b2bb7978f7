"""Copy bytes both ways between a phone and an endpoint.  [I/O]

Two tasks a connection, one for each direction.  A read goes into a buffer that all
connections share and is sent on in the same breath; only what the other side does not
take at once is copied and kept, so an idle connection holds no buffer and a blocked one
at most `CHUNK_BYTES` a direction.  A slow reader therefore slows its writer down, and
nothing queues here.

One side finishing is not the end: its FIN is passed on and the other direction goes on
by itself.  An error on either side resets both, because a reset that became a FIN would
turn a broken transfer into a short one.
"""

import contextlib
import socket
import time
from dataclasses import dataclass

import trio

from edge.common.faults import Faults
from edge.common.metrics import Number
from edge.l4.ordered_faults import pass_on
from edge.l4.refuse import LINGER_ZERO
from edge.l4.sockets import send_all

# Larger reads cost fewer system calls a gigabyte; more than this no longer helps.
CHUNK_BYTES = 256 * 1024
# One connection that can always read and always send must let the others run.
CHUNKS_IN_A_ROW = 8


@dataclass(slots=True, eq=False)
class Flow:
    """What is known of one connection while it is copied."""

    scope: trio.CancelScope
    moved_at: float
    to: tuple[str, ...] = ()  # the names by which a fault may mean this hop
    bytes_in: int = 0
    bytes_out: int = 0


class Copier:
    """The buffer and the counters that all connections share."""

    def __init__(self, bytes_in: Number, bytes_out: Number) -> None:
        self.faults = Faults()
        self._bytes_in = bytes_in
        self._bytes_out = bytes_out
        # Filled and emptied without an await in between.
        self._chunk = memoryview(bytearray(CHUNK_BYTES))

    async def both_ways(self, phone: socket.socket, endpoint: socket.socket, flow: Flow) -> None:
        """Until both have finished, or one broke; closes neither."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._one_way, phone, endpoint, flow, True)
                nursery.start_soon(self._one_way, endpoint, phone, flow, False)
        except* OSError:
            for end in (phone, endpoint):
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)

    async def _one_way(self, source: socket.socket, sink: socket.socket, flow: Flow, inwards: bool) -> None:
        chunk = self._chunk
        while True:
            await trio.lowlevel.wait_readable(source)
            for _ in range(CHUNKS_IN_A_ROW):
                try:
                    count = source.recv_into(chunk)
                except BlockingIOError:
                    break
                flow.moved_at = time.monotonic()
                if not count:
                    sink.shutdown(socket.SHUT_WR)
                    return
                if inwards:
                    flow.bytes_in += count
                    self._bytes_in.value += count
                else:
                    flow.bytes_out += count
                    self._bytes_out.value += count
                if self.faults.armed:
                    await self._slowly(sink, bytes(chunk[:count]), flow)
                    break
                try:
                    sent = sink.send(chunk[:count])
                except BlockingIOError:
                    sent = 0
                if sent < count:
                    # Others use the chunk while we wait, so the rest needs its own memory.
                    await send_all(sink, memoryview(bytes(chunk[sent:count])))
                    flow.moved_at = time.monotonic()
                if count < CHUNK_BYTES:
                    break  # that was all; asking again would cost a call to hear so

    async def _slowly(self, sink: socket.socket, data: bytes, flow: Flow) -> None:
        rest = memoryview(data)
        while rest:
            count = await pass_on(self.faults, flow.to, len(rest))
            await send_all(sink, rest[:count])
            flow.moved_at = time.monotonic()
            rest = rest[count:]
