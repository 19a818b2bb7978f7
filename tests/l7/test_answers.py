"""What the edge says in its own name."""

import orjson
import pytest

from edge.l7.answers import answer_bytes, status_line
from edge.l7.verdict import Answer


def _send(answer: Answer, *, method: str = "GET", close: bool = False) -> tuple[bytes, bytes]:
    data, _ = answer_bytes(
        answer, lines=b"x-request-id: t\r\n", trace_id="t", method=method, close=close, hop="l7-1"
    )
    head, _, body = data.partition(b"\r\n\r\n")
    return head, body


def test_a_refusal_is_a_problem_that_can_be_looked_up() -> None:
    """RFC 9457, with the id under which `edge trace` finds the request."""
    head, body = _send(Answer(status=403, reason="WAF", detail="No.", why="waf: rule 1 on ARGS"))
    problem = orjson.loads(body)

    assert head.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert b"content-type: application/problem+json" in head
    assert b"content-length: %d" % len(body) in head
    assert (problem["title"], problem["detail"], problem["trace_id"]) == ("Forbidden", "No.", "t")
    assert b"ARGS" not in body, "why is for the log; the phone does not learn our rules"


def test_a_wait_is_rounded_up() -> None:
    """A polite phone that waits exactly as long as told must not be refused again."""
    head, _ = _send(Answer(status=429, reason="RL", retry_after_s=1.2))

    assert b"retry-after: 2" in head


def test_a_body_of_a_stage_is_sent_as_it_is() -> None:
    """Redirects, canned answers, and the cache."""
    head, body = _send(
        Answer(
            status=200, reason="HIT", body=b"abc", content_type=b"text/plain", headers=((b"etag", b'"1"'),)
        )
    )

    assert body == b"abc"
    assert b'etag: "1"' in head
    assert b"cache-control" not in head


@pytest.mark.parametrize("status", [204, 304])
def test_some_answers_have_neither_body_nor_length(status: int) -> None:
    """RFC 9110 section 8.6."""
    head, body = _send(Answer(status=status, reason="HIT", body=b"ignored"))

    assert body == b""
    assert b"content-length" not in head


def test_head_gets_the_length_and_no_body() -> None:
    """RFC 9110 section 9.3.2."""
    head, body = _send(Answer(status=404, reason="NR"), method="HEAD")

    assert body == b""
    assert b"content-length: " in head


def test_the_end_of_a_connection_is_announced() -> None:
    """A phone that sends its next request into a closing connection loses it."""
    assert b"connection: close" in _send(Answer(status=400, reason="BAD"), close=True)[0]
    assert b"connection" not in _send(Answer(status=404, reason="NR"))[0]


def test_an_unknown_status_is_passed_on() -> None:
    """Services invent some."""
    assert status_line(299) == b"HTTP/1.1 299 \r\n"
