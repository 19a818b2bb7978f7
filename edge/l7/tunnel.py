"""What happens after 101 Switching Protocols?  [I/O]

The connection is two pipes from here on; the edge holds one read's worth in each
direction and reads nothing in them.  One side finishing ends its own direction
only.

When the worker drains, a WebSocket is told so between two of its frames (close
code 1001), on both sides, so that the phone comes back to another worker at once
instead of waiting for a timeout.
"""

import time
from typing import TYPE_CHECKING, Final

import trio

from edge.l7.transport import TUNNEL, PeerGone, Transport
from edge.l7.upstream.pool import Channel
from edge.l7.websocket import GOING_AWAY, FrameEdge, close_frame

if TYPE_CHECKING:
    from edge.l7.connection import PhoneConnection

# Envoy's and AWS's idle time for what we cannot look into; pings of any WebSocket keep it alive.
IDLE_S: Final = 3600.0
_MASK: Final = b"edge"  # masks protect caches from scripts; our close frame is the same to everybody


async def tunnel(
    phone: "PhoneConnection", head: bytes, channel: Channel, early: bytes, protocol: bytes
) -> None:
    """Copy both ways until both have finished, the idle time is over or the worker ends."""
    phone.status = 101
    phone.keep_alive = False
    await phone.send(head + early)
    phone.in_tunnel()
    pair = _Tunnel(phone.transport, channel, protocol.lower() == b"websocket")
    pair.to_phone.feed(early)
    if buffered := phone.take_buffer():
        pair.to_service.feed(buffered)
        await channel.send(buffered)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pair.copy, phone.transport, channel, pair.to_service)
        nursery.start_soon(pair.copy, channel, phone.transport, pair.to_phone)


class _Tunnel:
    """Both directions."""

    def __init__(self, phone: Transport, service: Channel, websocket: bool) -> None:
        self._phone = phone
        self._service = service
        self._websocket = websocket
        self.to_phone = FrameEdge()
        self.to_service = FrameEdge()

    async def copy(self, source: Transport, sink: Transport, frames: FrameEdge) -> None:
        """One direction."""
        try:
            while True:
                self._phone.phase, self._phone.deadline = TUNNEL, time.monotonic() + IDLE_S
                data = await source.receive()
                if not data:
                    break
                if self._websocket:
                    frames.feed(data)
                await sink.send(data)
            if source is self._phone and source.expired:
                await self._say_goodbye()
        except PeerGone:
            source.expire()  # nobody is left to read what it sends
        sink.end_sending()

    async def _say_goodbye(self) -> None:
        # The walker has ended the phone's side: the worker drains, or nothing happened for an hour.
        if self._websocket and self.to_phone.between_frames:
            await self._phone.send(close_frame(GOING_AWAY))
        if self._websocket and self.to_service.between_frames:
            await self._service.send(close_frame(GOING_AWAY, _MASK))
        self._phone.end_sending()
        self._service.expire()
