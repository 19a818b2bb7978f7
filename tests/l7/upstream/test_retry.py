"""Safe, and affordable."""

import pytest

from edge.common.config import RetryConfig
from edge.l7.http1.reply_head import ReplyMemo
from edge.l7.upstream.retry import RetryBudget, backoff_s, is_safe, is_unprocessed

CONFIG = RetryConfig(budget=0.2, concurrent_min=3, backoff_ms=25, backoff_ms_max=250)


@pytest.mark.parametrize(
    ("method", "sent", "answered", "safe"),
    [
        ("GET", True, False, True),
        ("PUT", True, False, True),
        ("POST", False, False, True),
        ("POST", True, False, False),
        ("PATCH", True, False, False),
        ("GET", True, True, False),
    ],
)
def test_a_request_is_repeated_only_where_that_cannot_do_harm(
    method: str, sent: bool, answered: bool, safe: bool
) -> None:
    """A message must not be sent twice because a service was restarted."""
    assert is_safe(method, sent=sent, answered=answered) is safe


@pytest.mark.parametrize(
    ("head", "unprocessed"),
    [
        (b"HTTP/1.1 503 X\r\nEdge-Unprocessed: draining\r\n\r\n", True),
        (b"HTTP/1.1 503 X\r\nRetry-After: 1\r\n\r\n", False),
        (b"HTTP/1.1 500 X\r\nEdge-Unprocessed: draining\r\n\r\n", False),
    ],
)
def test_a_service_that_drains_says_what_it_has_not_begun(head: bytes, unprocessed: bool) -> None:
    """The only case in which a POST that was sent may be sent again."""
    reply = ReplyMemo(16, 4096).judge(head.replace(b"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n"), "POST")

    assert is_unprocessed(reply) is unprocessed


def test_a_service_in_trouble_gets_at_most_a_fifth_more() -> None:
    """Retries of everything would double the load at the worst moment."""
    budget = RetryBudget(CONFIG, 0.0)
    granted = 0
    for number in range(10_000):
        now = number / 1000
        budget.deposit()
        granted += budget.withdraw(now)

    assert 0.15 * 10_000 < granted <= 0.2 * 10_000 + 3 * 11
    assert budget.refused == 10_000 - granted


def test_an_idle_cluster_may_retry_all_the_same() -> None:
    """One phone, one request, one dead endpoint: the answer is there."""
    budget = RetryBudget(CONFIG, 0.0)

    at_once = [budget.withdraw(0.0) for _ in range(4)]
    a_second_later = [budget.withdraw(1.0) for _ in range(4)]

    assert at_once == a_second_later == [True, True, True, False]


def test_what_was_saved_up_fades() -> None:
    """A quiet hour must not pay for a storm of retries."""
    budget = RetryBudget(CONFIG, 0.0)
    for _ in range(10_000):
        budget.deposit()

    budget.withdraw(10.0)
    left = sum(budget.withdraw(10.0) for _ in range(10))

    assert left == 2


def test_waits_are_jittered_doubled_and_capped() -> None:
    """Full jitter: from nothing to the ceiling."""
    assert backoff_s(CONFIG, 1, 0.0) == 0.0
    assert backoff_s(CONFIG, 1, 1.0) == 0.025
    assert backoff_s(CONFIG, 2, 1.0) == 0.05
    assert backoff_s(CONFIG, 100, 1.0) == 0.25
