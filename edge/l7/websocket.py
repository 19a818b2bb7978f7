"""Where does one WebSocket frame end and the next begin?

The edge reads nothing in a tunnel, with one exception: when it has to end one on
its own it says so (close code 1001, "going away"), and that may only be said
between two frames.  `FrameEdge` follows the frames of one direction by their
lengths (RFC 6455 section 5.2) and looks at no payload.

State: at most 14 bytes of an unfinished frame header.
"""

from typing import Final

GOING_AWAY: Final = 1001
_CLOSE: Final = 0x88
_MASKED: Final = 0x80


class FrameEdge:
    """Counts its way through one direction of a WebSocket."""

    __slots__ = ("_header", "_missing")

    def __init__(self) -> None:
        self._header = b""
        self._missing = 0

    def feed(self, data: bytes) -> None:
        """Bytes that went through."""
        at = 0
        while at < len(data):
            if self._missing:
                step = min(self._missing, len(data) - at)
                self._missing -= step
                at += step
                continue
            self._header += data[at : at + 1]
            at += 1
            if len(self._header) >= 2 and len(self._header) == _header_bytes(self._header[1]):
                self._missing = _payload_bytes(self._header)
                self._header = b""

    @property
    def between_frames(self) -> bool:
        """May a frame of ours be put in here?"""
        return not self._header and not self._missing


def close_frame(code: int, mask: bytes = b"") -> bytes:
    """A close frame; with `mask` (4 bytes) it is one that a client sends (RFC 6455 section 5.3)."""
    payload = code.to_bytes(2, "big")
    if not mask:
        return bytes((_CLOSE, len(payload))) + payload
    hidden = bytes(byte ^ mask[number % 4] for number, byte in enumerate(payload))
    return bytes((_CLOSE, _MASKED | len(payload))) + mask + hidden


def _header_bytes(second: int) -> int:
    extended = {126: 2, 127: 8}.get(second & 0x7F, 0)
    return 2 + extended + (4 if second & _MASKED else 0)


def _payload_bytes(header: bytes) -> int:
    length = header[1] & 0x7F
    if length == 126:
        return int.from_bytes(header[2:4], "big")
    if length == 127:
        return int.from_bytes(header[2:10], "big")
    return length
