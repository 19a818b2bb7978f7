"""Bodies end where they say, however they are cut, and h11 agrees."""

import itertools

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.l7.http1.body import ChunkedBody, LengthBody, UntilCloseBody, chunk
from edge.l7.http1.rules import Refused
from tests.kit.effort import examples

CHUNKS = st.lists(st.binary(min_size=1, max_size=40), max_size=5)
SIZE = st.one_of(
    st.integers(0, 20).map(lambda size: b"%x" % size),
    st.sampled_from([b"5;a=b", b"5 ", b" 5", b"0x5", b"-1", b"", b"5;\x00", b"A", b"00", b"5\n"]),
)


def _cut(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@given(st.binary(max_size=100), st.binary(max_size=20), st.lists(st.integers(0, 200), max_size=5))
def test_a_length_is_counted_to_the_byte(content: bytes, behind: bytes, cuts: list[int]) -> None:
    """One byte too many belongs to the next request; one too few would swallow its first."""
    body = LengthBody(len(content))

    pieces = [piece for data in _cut(content + behind, cuts) for piece in body.feed(data)]

    assert (b"".join(pieces), body.rest, body.complete) == (content, behind, True)


@given(CHUNKS, st.binary(max_size=20), st.lists(st.integers(0, 400), max_size=8))
def test_chunks_come_out_as_they_went_in(chunks: list[bytes], behind: bytes, cuts: list[int]) -> None:
    """However the network cuts them."""
    body = ChunkedBody()
    data = b"".join(map(chunk, chunks)) + b"0\r\nx-checksum: 1\r\n\r\n" + behind

    pieces = [piece for part in _cut(data, cuts) for piece in body.feed(part)]

    assert (b"".join(pieces), body.rest, body.complete) == (b"".join(chunks), behind, True)


@given(
    st.lists(st.tuples(SIZE, st.binary(max_size=20)), max_size=4),
    st.sampled_from([b"0\r\n\r\n", b"0\r\na: b\r\n\r\n", b"0\n\n"]),
)
@settings(max_examples=examples(400), deadline=None)
def test_what_we_accept_h11_reads_in_the_same_way(parts: list[tuple[bytes, bytes]], end: bytes) -> None:
    """Two readers of one body that differ are a smuggled request."""
    data = b"".join(size + b"\r\n" + content + b"\r\n" for size, content in parts) + end
    body = ChunkedBody()
    try:
        ours = b"".join(body.feed(data))
    except Refused:
        return
    if not body.complete:
        return
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n" + data)
    theirs = bytearray()
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        if isinstance(event, h11.Data):
            theirs += event.data

    assert ours == bytes(theirs)
    assert body.rest == connection.trailing_data[0]


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=6))
@settings(max_examples=examples(400))
def test_any_bytes_are_chunks_or_refused_and_cuts_change_nothing(data: bytes, cuts: list[int]) -> None:
    """A verdict that depends on how the network cut the bytes is a verdict an attacker can choose."""

    def read(parts: list[bytes]) -> tuple[str, bytes]:
        body = ChunkedBody()
        pieces: list[bytes] = []
        try:
            for part in parts:
                pieces += body.feed(part)
        except Refused:
            return "refused", b""
        return ("complete" if body.complete else "more"), b"".join(pieces)

    whole, cut = read([data]), read(_cut(data, cuts))

    assert whole == cut or "more" in (whole[0], cut[0])


def test_a_line_that_does_not_end_is_refused() -> None:
    """The longest line is all that a body may make us hold."""
    body = ChunkedBody()

    for _ in range(256):
        body.feed(b"0")
    with pytest.raises(Refused):
        body.feed(b"0")


def test_until_close_passes_everything_on() -> None:
    """HTTP/1.0 services end their answers by hanging up."""
    body = UntilCloseBody()

    assert body.feed(b"a") + body.feed(b"b") == [b"a", b"b"]
    assert not body.complete
