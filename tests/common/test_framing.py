"""Frames: what is sent arrives, however it is cut, and rubbish ends the link."""

from collections.abc import Sequence

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.common.errors import FrameError
from edge.common.framing import Decoder, encode
from edge.common.messages import Answer, Ask, Ban, Bans, Beat, Command, Hello, Member, Message, Welcome

LIMIT = 64 * 1024
MEMBER = Member(name="l7-mumbai-1", tier="l7", pid=4711, pop="mumbai")
SOME = [
    Hello(version=1, member=MEMBER),
    Welcome(version=1, hub_started_unix=1.5, revision="abc", members=[MEMBER], bans=[]),
    Beat(state="live", load={"inflight": 3.0}),
    Bans(add=[Ban(network="203.0.113.9", until_unix=9.0, reason="waf")]),
    Command(id="7", target="l7", action="weight", args={"weight": 50}),
    Ask(id="8", topic="trace", args={"trace_id": "0" * 32}),
    Answer(id="8", name="dns-1", value=[{"a": [1, 2, b"bytes"]}, None]),
]


@given(messages=st.lists(st.sampled_from(SOME), max_size=8), cuts=st.lists(st.integers(1, 40), max_size=60))
def test_messages_arrive_however_the_stream_is_cut(messages: list[Message], cuts: list[int]) -> None:
    """TCP and Unix streams keep no boundaries; the decoder has to."""
    stream = b"".join(encode(message, LIMIT) for message in messages)
    decoder = Decoder(LIMIT)
    arrived: list[Message] = []

    for size in cuts:
        arrived += decoder.feed(stream[:size])
        stream = stream[size:]
    arrived += decoder.feed(stream)

    assert arrived == messages
    assert decoder.at_boundary()


def test_a_length_over_the_limit_is_refused_before_its_body_arrives() -> None:
    """Otherwise four bytes would make us reserve four gigabytes."""
    with pytest.raises(FrameError, match="over the limit"):
        Decoder(LIMIT).feed(b"\xff\xff\xff\xff")


def test_a_message_that_does_not_fit_is_refused_by_its_sender() -> None:
    """The sender finds out, not the other end of the link."""
    with pytest.raises(FrameError, match="over the limit"):
        encode(Answer(id="1", name="x", value="y" * LIMIT), LIMIT)


@pytest.mark.parametrize(
    "body",
    [
        b"\xc1",
        msgpack.packb(7),
        msgpack.packb({"type": "no-such"}),
        msgpack.packb({"type": "hello"}),
        msgpack.packb({"type": "hello", "version": "one", "member": {}}),
        msgpack.packb({"type": "beat", "state": "sleeping"}),
        b"\x91" * 3000,
        b"",
    ],
)
def test_a_body_that_is_no_message_of_ours_ends_the_link(body: bytes) -> None:
    """One error type, whatever is wrong, so the shell has one thing to do."""
    with pytest.raises(FrameError):
        Decoder(LIMIT).feed(len(body).to_bytes(4, "big") + body)


@given(st.binary(max_size=400))
def test_random_bytes_never_raise_anything_else(data: bytes) -> None:
    """A hostile peer gets a FrameError or silence, never a traceback, and the same however he cuts it."""

    def said(pieces: Sequence[bytes]) -> list[Message] | None:
        decoder = Decoder(LIMIT)
        try:
            return [message for piece in pieces for message in decoder.feed(piece)]
        except FrameError:
            return None

    assert said([data]) == said([data[at : at + 1] for at in range(len(data))])


def test_an_unknown_key_is_ignored() -> None:
    """A newer process may say more than an older one understands."""
    body = msgpack.packb({"type": "beat", "state": "live", "mood": "good"})

    assert Decoder(LIMIT).feed(len(body).to_bytes(4, "big") + body) == [Beat(state="live")]


def test_half_a_frame_is_noticed() -> None:
    """A peer that leaves in the middle of a word is told apart from one that says goodbye."""
    decoder = Decoder(LIMIT)
    decoder.feed(encode(SOME[0], LIMIT)[:-1])

    assert not decoder.at_boundary()
