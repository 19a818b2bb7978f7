"""A phone that stops reading too early, or too late, measures something else."""

import pytest

from bench.http_answer import is_whole, status_of

SIZED = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
EMPTY = b"HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n"


@pytest.mark.parametrize(
    "answer", [SIZED, CHUNKED, EMPTY, SIZED.replace(b"Content-Length", b"content-length")]
)
def test_an_answer_is_whole_with_its_last_byte_and_not_before(answer: bytes) -> None:
    """At every length."""
    assert [length for length in range(len(answer) + 1) if is_whole(answer[:length])] == [len(answer)]


def test_a_length_in_the_body_is_no_length() -> None:
    """Only the head says how long the body is."""
    body = b"\r\ncontent-length: 0\r\n\r\n"
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

    assert is_whole(answer)
    assert not is_whole(answer[:-1])


def test_the_status_is_read_and_what_is_no_answer_has_none() -> None:
    """An error that counts as an answer makes everybody fast."""
    assert status_of(SIZED) == 200
    assert status_of(b"HTTP/1.1 503 No\r\n") == 503
    assert status_of(b"SSH-2.0-x") == 0
    assert status_of(b"HTTP/1.1 abc") == 0
