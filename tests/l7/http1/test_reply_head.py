"""Heads of answers: lengths are clear or the answer is refused, and memory changes nothing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.l7.http1.reply_head import UNTIL_CLOSE, BadReply, ReplyHead, ReplyMemo
from edge.l7.http1.rules import CHUNKED
from tests.kit.effort import examples

LINES = st.sampled_from(
    [
        b"content-length: 5", b"Content-Length: 0", b"content-length: x", b"transfer-encoding: chunked",
        b"connection: close", b"connection: x-a", b"keep-alive: timeout=5", b"x-a: b", b"date: today",
        b"x-request-id: 1", b"set-cookie: a=b", b"set-cookie: c=d", b"bad line", b"bad : line", b"x: \x00",
        b"server-timing: db;dur=1", b"edge-secret: 1", b"upgrade: websocket", b"",
    ]
)  # fmt: skip
STATUS = st.sampled_from(
    [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.0 200 OK",
        b"HTTP/1.1 204 No Content",
        b"HTTP/1.1 304 ",
        b"HTTP/1.1 99 x",
        b"200 OK",
        b"HTTP/1.1 100 Continue",
    ]
)
HEADS = st.tuples(STATUS, st.lists(LINES, max_size=5)).map(
    lambda parts: b"\r\n".join([parts[0], *parts[1]]) + b"\r\n\r\n"
)


def _judge(memo: ReplyMemo, head: bytes, method: str) -> ReplyHead | str:
    try:
        return memo.judge(head, method)
    except BadReply as error:
        return str(error)


@given(st.lists(st.tuples(HEADS, st.sampled_from(["GET", "HEAD"])), max_size=8))
@settings(max_examples=examples(300), deadline=None)
def test_what_was_seen_before_changes_no_verdict(heads: list[tuple[bytes, str]]) -> None:
    """The same answer twice is the same answer, and nobody's neighbour colours it."""
    memo = ReplyMemo(64, 16 * 1024)

    for head, method in heads:
        assert _judge(memo, head, method) == _judge(ReplyMemo(64, 16 * 1024), head, method)


@pytest.mark.parametrize(
    ("lines", "method", "length"),
    [
        (b"200 OK\r\ncontent-length: 5", "GET", 5),
        (b"200 OK\r\ncontent-length: 5", "HEAD", 0),
        (b"304 Not Modified\r\ncontent-length: 5", "GET", 0),
        (b"204 No Content", "GET", 0),
        (b"200 OK\r\ntransfer-encoding: chunked", "GET", CHUNKED),
        (b"200 OK", "GET", UNTIL_CLOSE),
    ],
)
def test_the_length_of_an_answer_follows_rfc_9112(lines: bytes, method: str, length: int) -> None:
    """RFC 9112 section 6.3; HEAD and 304 say a length and send none."""
    assert ReplyMemo(8, 1024).judge(b"HTTP/1.1 " + lines + b"\r\n\r\n", method).length == length


@pytest.mark.parametrize(
    "lines",
    [
        b"content-length: 5\r\ncontent-length: 5",
        b"content-length: 5\r\ntransfer-encoding: chunked",
        b"content-length: -1",
        b"transfer-encoding: gzip",
    ],
)
def test_an_answer_of_unclear_length_is_no_answer(lines: bytes) -> None:
    """The phone gets 502 instead of somebody else's bytes (RFC 9112 section 6.3)."""
    with pytest.raises(BadReply):
        ReplyMemo(8, 1024).judge(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n\r\n", "GET")


def test_fields_between_us_and_the_service_stay_there() -> None:
    """Hop-by-hop fields, what Connection nominates, and our private talk (RFC 9110 section 7.6.1)."""
    private = b"connection: x-a\r\nx-a: 1\r\nkeep-alive: 5\r\nedge-secret: 1\r\nvia: x\r\n"
    head = b"HTTP/1.1 200 OK\r\n" + private + b"x-b: 2\r\ncontent-length: 0\r\n\r\n"

    assert ReplyMemo(8, 1024).judge(head, "GET").forward == b"x-b: 2\r\n"


def test_an_echoed_request_id_does_not_defeat_the_memory() -> None:
    """Our services send it back, and it differs each time."""
    memo = ReplyMemo(64, 16 * 1024)
    head = b"HTTP/1.1 200 OK\r\nx-request-id: %b\r\ncontent-length: 0\r\n\r\n"

    first = memo.judge(head % b"abc", "GET", "abc")

    assert memo.judge(head % b"def", "GET", "def") is first
