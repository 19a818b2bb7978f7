"""What do the bytes of a WebSocket mean?

RFC 6455, the server's side: the handshake's answer, a decoder for masked frames
and an encoder for plain ones.  Fragments are put together here, control frames
pass between them; pings, closing and everything else that takes a decision or a
clock belongs to the shell.  No extensions, so the reserved bits are an error.

State: `Decoder` holds at most one message of `message_bytes_max`.
"""

import base64
import hashlib
from dataclasses import dataclass

from edge.common.errors import EdgeError

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

NORMAL, GOING_AWAY, PROTOCOL_ERROR, BAD_DATA, TOO_BIG = 1000, 1001, 1002, 1007, 1009

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTROL_BYTES_MAX = 125  # section 5.5
_KNOWN = {CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG}


class WebSocketError(EdgeError):
    """The peer broke the protocol; close the connection with `code`."""

    blame = "phone"
    status_hint = None

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True, slots=True)
class Message:
    """A whole message or a control frame; `opcode` is TEXT, BINARY, CLOSE, PING or PONG."""

    opcode: int
    data: bytes

    @property
    def close_code(self) -> int:
        """Of a CLOSE: why; 1005 where nothing was said (section 7.1.5)."""
        return int.from_bytes(self.data[:2]) if len(self.data) >= 2 else 1005


def accept_value(key: bytes) -> bytes:
    """`Sec-WebSocket-Accept` for a `Sec-WebSocket-Key` (section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key + _GUID).digest())


def is_key(key: bytes) -> bool:
    """Is this the Base64 of sixteen bytes, as section 4.1 wants a key to be?"""
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except ValueError:
        return False


def encode(opcode: int, data: bytes, mask: bytes = b"") -> bytes:
    """One unfragmented frame; only a client passes the four bytes of a `mask`."""
    head = bytearray([0x80 | opcode])
    masked = 0x80 if mask else 0
    if len(data) < 126:
        head.append(masked | len(data))
    elif len(data) < 1 << 16:
        head.append(masked | 126)
        head += len(data).to_bytes(2)
    else:
        head.append(masked | 127)
        head += len(data).to_bytes(8)
    return bytes(head) + (mask + _masked(data, mask) if mask else data)


def encode_close(code: int, reason: str = "") -> bytes:
    """A CLOSE frame; the reason is cut to what fits."""
    text = reason.encode()[: _CONTROL_BYTES_MAX - 2].decode("utf-8", "ignore").encode()
    return encode(CLOSE, code.to_bytes(2) + text)


class Decoder:
    """Bytes in, messages out.  `from_client`: frames have to be masked (section 5.1)."""

    def __init__(self, message_bytes_max: int, *, from_client: bool = True) -> None:
        self._message_bytes_max = message_bytes_max
        self._from_client = from_client
        self._buffer = bytearray()
        self._opcode = CONTINUATION  # of the message whose fragments are being collected
        self._parts = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """The messages that `data` completes.  Raises `WebSocketError`."""
        self._buffer += data
        messages = []
        while (frame := self._next_frame()) is not None:
            message = self._take(*frame)
            if message is not None:
                messages.append(message)
        return messages

    def _next_frame(self) -> tuple[bool, int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        final, opcode, length = bool(buffer[0] & 0x80), buffer[0] & 0x0F, buffer[1] & 0x7F
        if buffer[0] & 0x70:
            raise WebSocketError(PROTOCOL_ERROR, "reserved bits without an extension")
        if opcode not in _KNOWN:
            raise WebSocketError(PROTOCOL_ERROR, f"unknown opcode {opcode}")
        if bool(buffer[1] & 0x80) != self._from_client:
            raise WebSocketError(PROTOCOL_ERROR, "clients mask their frames, servers do not")
        if opcode & 0x8 and (not final or length > _CONTROL_BYTES_MAX):
            raise WebSocketError(PROTOCOL_ERROR, "a control frame is short and in one piece")
        start = 2
        if length >= 126:
            width = 2 if length == 126 else 8
            if len(buffer) < start + width:
                return None
            length = int.from_bytes(buffer[start : start + width])
            start += width
        # Before waiting for the rest: a length is a claim on our memory.
        if len(self._parts) + length > self._message_bytes_max and not opcode & 0x8:
            raise WebSocketError(TOO_BIG, f"messages have at most {self._message_bytes_max} bytes")
        mask = b""
        if self._from_client:
            mask, start = bytes(buffer[start : start + 4]), start + 4
        if len(buffer) < start + length:
            return None
        data = bytes(buffer[start : start + length])
        del buffer[: start + length]
        return final, opcode, _masked(data, mask) if mask else data

    def _take(self, final: bool, opcode: int, data: bytes) -> Message | None:
        if opcode & 0x8:
            if opcode == CLOSE and len(data) == 1:
                raise WebSocketError(PROTOCOL_ERROR, "a close code has two bytes")
            return Message(opcode, data)
        if (opcode == CONTINUATION) != (self._opcode != CONTINUATION):
            raise WebSocketError(PROTOCOL_ERROR, "a fragment out of turn")
        if opcode != CONTINUATION:
            self._opcode = opcode
        self._parts += data
        if not final:
            return None
        message = Message(self._opcode, bytes(self._parts))
        self._opcode = CONTINUATION
        self._parts.clear()
        if message.opcode == TEXT:
            try:
                message.data.decode("utf-8")
            except UnicodeDecodeError as error:
                raise WebSocketError(BAD_DATA, "a text message is not UTF-8") from error
        return message


def _masked(data: bytes, mask: bytes) -> bytes:
    # One XOR of two big numbers: a hundred times faster than a loop over bytes.
    whole = mask * (len(data) // 4 + 1)
    return (int.from_bytes(data) ^ int.from_bytes(whole[: len(data)])).to_bytes(len(data))
