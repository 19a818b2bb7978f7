"""RFC 6455, the server's bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.common.websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Decoder,
    Message,
    WebSocketError,
    accept_value,
    encode,
    encode_close,
    is_key,
)

MASK = b"\x37\xfa\x21\x3d"


def test_the_handshake_answers_as_in_the_rfc() -> None:
    """Section 1.3 gives the worked example."""
    assert accept_value(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert is_key(b"dGhlIHNhbXBsZSBub25jZQ==")
    assert not is_key(b"short")
    assert not is_key(b"dGhlIHNhbXBsZSBub25jZQ")


def test_the_frames_of_the_rfc_are_written_and_read() -> None:
    """Section 5.7: an unmasked and a masked "Hello", a fragmented one, a ping."""
    assert encode(TEXT, b"Hello") == bytes.fromhex("810548656c6c6f")
    assert encode(TEXT, b"Hello", MASK) == bytes.fromhex("818537fa213d7f9f4d5158")
    assert Decoder(100).feed(bytes.fromhex("818537fa213d7f9f4d5158")) == [Message(TEXT, b"Hello")]
    pieces = Decoder(100, from_client=False).feed(bytes.fromhex("010348656c 80026c6f 890548656c6c6f"))
    assert pieces == [Message(TEXT, b"Hello"), Message(PING, b"Hello")]


@given(
    st.lists(st.tuples(st.sampled_from([BINARY, PING, PONG]), st.binary(max_size=125)), max_size=5),
    st.binary(min_size=200, max_size=70_000),
    st.integers(min_value=1, max_value=4096),
)
def test_frames_survive_any_cut(small: list[tuple[int, bytes]], large: bytes, step: int) -> None:
    """TCP cuts where it likes; all three length forms come back."""
    frames = [*small, (BINARY, large)]
    data = b"".join(encode(opcode, payload, MASK) for opcode, payload in frames)
    decoder = Decoder(100_000)

    messages = [
        message for start in range(0, len(data), step) for message in decoder.feed(data[start : start + step])
    ]

    assert messages == [Message(opcode, payload) for opcode, payload in frames]


def test_a_ping_may_come_between_fragments() -> None:
    """Section 5.4: control frames are allowed in the middle of a message."""
    first = bytearray(encode(TEXT, b"hel", MASK))
    first[0] &= 0x7F  # not final
    data = bytes(first) + encode(PING, b"", MASK) + encode(CONTINUATION, b"lo", MASK)

    assert Decoder(100).feed(data) == [Message(PING, b""), Message(TEXT, b"hello")]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (encode(TEXT, b"Hello"), 1002),  # a client has to mask
        (b"\xc1\x80" + MASK, 1002),  # reserved bit
        (b"\x83\x80" + MASK, 1002),  # unknown opcode
        (b"\x09\x80" + MASK, 1002),  # fragmented ping
        (b"\x89\xfe\x00\x7e" + MASK, 1002),  # long ping
        (encode(CONTINUATION, b"x", MASK), 1002),  # continues nothing
        (encode(CLOSE, b"x", MASK), 1002),  # half a code
        (encode(TEXT, b"\xff", MASK), 1007),
        (b"\x82\xff" + (1 << 40).to_bytes(8) + MASK, 1009),  # a claim, not yet a message
    ],
)
def test_what_breaks_the_rules_is_told_why(data: bytes, code: int) -> None:
    """Each close code is the one that section 7.4.1 asks for."""
    with pytest.raises(WebSocketError) as error:
        Decoder(1000).feed(data)

    assert error.value.code == code


def test_fragments_together_are_bounded_too() -> None:
    """A message of a thousand small pieces is still one message."""
    piece = bytearray(encode(BINARY, b"x" * 60, MASK))
    piece[0] = BINARY
    more = bytearray(encode(CONTINUATION, b"x" * 60, MASK))
    more[0] = CONTINUATION
    decoder = Decoder(100)
    decoder.feed(bytes(piece))

    with pytest.raises(WebSocketError):
        decoder.feed(bytes(more))


def test_a_close_frame_says_why_in_few_words() -> None:
    """Section 5.5: at most 125 bytes, and never half a character."""
    frame = encode_close(1001, "é" * 100)

    message = Decoder(1000, from_client=False).feed(frame)[0]

    assert message.close_code == 1001
    assert message.data[2:].decode() == "é" * 61
    assert Message(CLOSE, b"").close_code == 1005
