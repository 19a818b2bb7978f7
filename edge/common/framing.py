"""Where does one control message end and the next begin?

A frame is four bytes of length, big-endian, then that many bytes of msgpack.
The length is checked before a byte of the body is held, so a peer can make us
keep one frame at most.  A frame that is too long, is not msgpack, or is no
message of ours raises `FrameError`: the link ends, nobody else notices.
"""

import msgpack
import msgspec

from edge.common.errors import FrameError
from edge.common.messages import Message, from_wire, to_wire

HEADER_BYTES = 4
# Nesting is bounded too: msgpack itself stops at 1024 levels, messages need fewer than ten.
ITEMS_MAX = 200_000


def encode(message: Message, frame_bytes_max: int) -> bytes:
    """One frame.  Raises `FrameError` if the message does not fit."""
    body: bytes = msgpack.packb(to_wire(message), use_bin_type=True)
    if len(body) > frame_bytes_max:
        raise FrameError(f"message of {len(body)} bytes is over the limit of {frame_bytes_max}")
    return len(body).to_bytes(HEADER_BYTES, "big") + body


class Decoder:
    """Bytes in, messages out; holds at most one unfinished frame."""

    def __init__(self, frame_bytes_max: int) -> None:
        self._frame_bytes_max = frame_bytes_max
        self._buffer = bytearray()

    def feed(self, data: bytes | bytearray) -> list[Message]:
        """The messages that `data` completes, in order.  Raises `FrameError`."""
        self._buffer += data
        messages: list[Message] = []
        start = 0
        while len(self._buffer) - start >= HEADER_BYTES:
            size = int.from_bytes(self._buffer[start : start + HEADER_BYTES], "big")
            if size > self._frame_bytes_max:
                raise FrameError(f"frame of {size} bytes is over the limit of {self._frame_bytes_max}")
            end = start + HEADER_BYTES + size
            if len(self._buffer) < end:
                break
            messages.append(_decode(bytes(self._buffer[start + HEADER_BYTES : end])))
            start = end
        del self._buffer[:start]
        return messages

    def at_boundary(self) -> bool:
        """Is no frame half-read?  False when a peer left in the middle of one."""
        return not self._buffer


def _decode(body: bytes) -> Message:
    try:
        value = msgpack.unpackb(body, raw=False, max_array_len=ITEMS_MAX, max_map_len=ITEMS_MAX)
        return from_wire(value)
    except msgspec.ValidationError as error:
        raise FrameError(f"not a message of ours: {error}") from error
    except (ValueError, TypeError, msgpack.exceptions.UnpackException, RecursionError) as error:
        raise FrameError(f"not msgpack: {error!r}") from error
