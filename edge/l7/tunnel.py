"""What happens after 101 Switching Protocols?  [I/O]

The connection is two pipes from here on; the edge reads nothing in them and
holds one read's worth in each direction.  One side finishing ends its own
direction only.
"""

import time
from typing import TYPE_CHECKING, Final

import trio

from edge.l7.transport import TUNNEL, PeerGone, Transport
from edge.l7.upstream.pool import Channel

if TYPE_CHECKING:
    from edge.l7.connection import PhoneConnection

# Envoy's and AWS's idle time for what we cannot look into; pings of any WebSocket keep it alive.
IDLE_S: Final = 3600.0


async def tunnel(phone: "PhoneConnection", head: bytes, channel: Channel, early: bytes) -> None:
    """Copy both ways until both have finished, the idle time is over or the worker ends."""
    phone.status = 101
    phone.keep_alive = False
    await phone.send(head + early)
    transport = phone.transport
    transport.phase = TUNNEL
    phone.in_tunnel()
    if buffered := phone.take_buffer():
        await channel.send(buffered)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_copy, transport, channel, transport)
        nursery.start_soon(_copy, channel, transport, transport)


async def _copy(source: Transport, sink: Transport, clock: Transport) -> None:
    try:
        while True:
            clock.phase, clock.deadline = TUNNEL, time.monotonic() + IDLE_S
            data = await source.receive()
            if not data:
                break
            await sink.send(data)
    except PeerGone:
        source.expire()  # nobody is left to read what it sends
    sink.end_sending()
