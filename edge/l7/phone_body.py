"""How does a phone's body reach whoever wants it?  [I/O]

Piece by piece, as it arrives: a piece is read only when the one before it was
taken, so a slow service slows its phone down and nobody collects bodies.  The
beginning is kept while it is small, because a request whose body we still hold
may be sent again to another endpoint.

Who waits for our leave to send (Expect: 100-continue) gets it when the first
piece is asked for, which is after the stages have let the head pass.
"""

import time
from typing import Final

from edge.l7.answers import CONTINUE_100
from edge.l7.http1.body import Body, ChunkedBody, LengthBody
from edge.l7.http1.rules import CHUNKED, Refused
from edge.l7.transport import BODY, Transport

# What is kept for a second try.  A form or a message fits; an upload is sent once.
HELD_BYTES_MAX: Final = 64 * 1024
# A phone may pause this long before its average has to reach the minimum rate.
GRACE_S: Final = 10.0


class PhoneBody:
    """One request's body.  `held` is what was read so far as long as `replayable`."""

    def __init__(
        self,
        transport: Transport,
        length: int,
        buffer: bytes,
        *,
        expect: bool,
        bytes_max: int,
        rate_min: float,
        pause_max_s: float,
    ) -> None:
        self._transport = transport
        self._reader: Body = ChunkedBody() if length == CHUNKED else LengthBody(length)
        self._buffer = buffer
        self._expect = expect and not buffer
        self._bytes_max = bytes_max
        self._rate_min = rate_min
        self._pause_max_s = pause_max_s  # who was quick at first may not rest on that for long
        self._ready: list[bytes] = []
        self._start_s = 0.0
        self._held_bytes_max = HELD_BYTES_MAX
        self.length = length
        self.bytes_read = 0
        self.held: list[bytes] = []
        self.replayable = True

    @property
    def complete(self) -> bool:
        """Is the body read to its end?"""
        return self._reader.complete and not self._ready and not self._buffer

    @property
    def rest(self) -> bytes:
        """What came behind the body: the beginning of the next request."""
        return self._reader.rest

    def limit(self, bytes_max: int) -> None:
        """The route is known now, and with it how much it takes.  Raises `Refused`."""
        self._bytes_max = bytes_max
        if self.length > bytes_max:
            raise Refused(413, "body-length", "The body is too large.")

    async def prefix(self, bytes_max: int) -> bytes:
        """The first `bytes_max` bytes, or all there is, for somebody who wants to look at them.

        They stay in `held` and are sent on from there.  Raises `Refused`.
        """
        self._held_bytes_max = max(self._held_bytes_max, bytes_max + HELD_BYTES_MAX)
        while self.bytes_read < bytes_max and await self.piece():
            pass
        return b"".join(self.held)

    async def piece(self) -> bytes:
        """The next piece, b"" at the end.

        Raises `Refused`: 413 when there is more than allowed, 408 when the phone is
        slower than the minimum rate, 400 when it is malformed or breaks off.
        """
        while True:
            if self._ready:
                return self._take(self._ready.pop(0))
            if self._reader.complete:
                return b""
            data, self._buffer = self._buffer, b""
            if not data:
                data = await self._read()
            self._ready = self._reader.feed(data)

    def take_buffered(self) -> None:
        """Consume what has arrived already and nobody wants; never waits."""
        if self._buffer and not self._reader.complete:
            data, self._buffer = self._buffer, b""
            self._reader.feed(data)
        self._ready = []

    def _take(self, piece: bytes) -> bytes:
        self.bytes_read += len(piece)
        if self.bytes_read > self._bytes_max:
            raise Refused(413, "body-length", "The body is too large.")
        if self.replayable:
            if self.bytes_read <= self._held_bytes_max:
                self.held.append(piece)
            else:
                self.replayable = False
                self.held = []
        return piece

    async def _read(self) -> bytes:
        transport = self._transport
        now = time.monotonic()
        if not self._start_s:
            self._start_s = now
            if self._expect:
                self._expect = False
                await transport.send(CONTINUE_100)
        transport.phase = BODY
        average = self._start_s + GRACE_S + self.bytes_read / self._rate_min
        transport.deadline = min(average, now + self._pause_max_s)
        data = await transport.receive()
        if not data:
            if transport.expired:
                raise Refused(408, "body-timeout", "The body came too slowly.")
            raise Refused(400, "body-incomplete", "The body broke off.")
        return data
