"""Frames are counted, however they are cut."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from edge.l7.websocket import GOING_AWAY, FrameEdge, close_frame


def _frame(payload: bytes, masked: bool) -> bytes:
    mask = b"mask" if masked else b""
    bit = 0x80 if masked else 0
    if len(payload) < 126:
        head = bytes((0x82, bit | len(payload)))
    elif len(payload) < 65536:
        head = bytes((0x82, bit | 126)) + len(payload).to_bytes(2, "big")
    else:
        head = bytes((0x82, bit | 127)) + len(payload).to_bytes(8, "big")
    return head + mask + payload


FRAMES = st.lists(
    st.builds(_frame, st.sampled_from([b"", b"a", b"x" * 125, b"y" * 126, b"z" * 70_000]), st.booleans())
)


@given(FRAMES, st.lists(st.integers(0, 100_000), max_size=5))
def test_the_place_between_two_frames_is_found(frames: list[bytes], cuts: list[int]) -> None:
    """A close frame inside another frame would be somebody's data."""
    data = b"".join(frames)
    ends = {0}
    for frame in frames:
        ends.add(max(ends) + len(frame))
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    direction = FrameEdge()

    for start, end in pairwise(edges):
        direction.feed(data[start:end])
        assert direction.between_frames == (end in ends)


def test_a_close_frame_says_why_and_hides_it_from_caches() -> None:
    """RFC 6455 sections 5.5.1 and 5.3: a client's frames are masked."""
    assert close_frame(GOING_AWAY) == b"\x88\x02\x03\xe9"
    assert close_frame(GOING_AWAY, b"\x01\x01\x01\x01") == b"\x88\x82\x01\x01\x01\x01\x02\xe8"
