"""May this request be sent a second time?

Two questions.  Is it safe: nothing was sent yet, or the service says that it has done
nothing with what was sent, or the method may be repeated without doing its work twice
(RFC 9110 section 9.2.2), and the phone has seen nothing of an answer?  And can we
afford it: a service in trouble must not get a multiple of its load as help.  Retries
are therefore paid from a budget, as in Finagle: each request puts in `budget` (a
fifth) of a retry, each retry takes one out, and what was put in more than ten seconds
ago is worth nothing any more.  A small reserve lets an idle cluster retry at all.

State: one number and the time it is from.
"""

from typing import Final

from edge.common.config import RetryConfig
from edge.l7.http1.reply_head import ReplyHead

# Finagle's RetryBudget: deposits live for ten seconds.
MEMORY_S: Final = 10.0
# In a 503 of a service that drains: "I have done nothing with this, ask another copy".
UNPROCESSED: Final = b"edge-unprocessed"
IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})


def is_safe(method: str, *, sent: bool, answered: bool) -> bool:
    """May `method` be repeated?  `sent`: any byte went out; `answered`: any byte of an answer came back."""
    if answered:
        return False
    return not sent or method in IDEMPOTENT


def is_unprocessed(reply: ReplyHead) -> bool:
    """Does the service say that it drains and has not begun the request?  See ADR 14."""
    return reply.status == 503 and any(name == UNPROCESSED for name, _ in reply.fields)


def backoff_s(config: RetryConfig, attempt: int, dice: float) -> float:
    """How long to wait before retry number `attempt` (from 1): full jitter, `dice` in [0, 1)."""
    ceiling_ms: float = min(config.backoff_ms_max, config.backoff_ms * 2.0 ** min(attempt - 1, 20))
    return ceiling_ms * dice / 1000.0


class RetryBudget:
    """What one cluster may spend on retries."""

    __slots__ = ("_at", "_config", "_level", "_reserve", "refused", "spent")

    def __init__(self, config: RetryConfig, now: float) -> None:
        self._config = config
        self._reserve = float(config.concurrent_min)
        self._level = self._reserve
        self._at = now
        self.spent = 0
        self.refused = 0

    def deposit(self) -> None:
        """A request was sent for the first time."""
        self._level += self._config.budget

    def withdraw(self, now: float) -> bool:
        """Take one retry out, if there is one."""
        # Everything above the reserve fades; the reserve comes back within a second.
        passed = now - self._at
        self._at = now
        reserve = self._reserve
        if self._level > reserve:
            self._level = reserve + (self._level - reserve) * max(0.0, 1.0 - passed / MEMORY_S)
        else:
            self._level = min(reserve, self._level + reserve * passed)
        if self._level < 1.0:
            self.refused += 1
            return False
        self._level -= 1.0
        self.spent += 1
        return True
