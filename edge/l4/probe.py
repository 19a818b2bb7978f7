"""Does the way to this worker work, as far as trying it tells?

One keeper an endpoint.  It says when to ask (`due`), is told what came of it, and
says whether the endpoint is well.  One success is enough to begin with (Envoy);
afterwards `fall` failures in a row make it unwell and `rise` successes well again
(HAProxy).  The first failure shortens the interval, so that a real outage is
certain soon while a single lost answer costs one more question.

The first question comes at a random part of the interval and every interval is
jittered, or a hundred endpoints that were started together would be asked
together for ever.
"""

from edge.common.balance.policy import Dice
from edge.common.config import HealthConfig

# The L4's own hop: see docs/l4.md for the precedents of each number.
HOP = HealthConfig(interval_s=2.0, fast_interval_s=0.5, timeout_s=1.0, rise=2, fall=3, jitter=0.05)


class Probe:
    """When to ask one endpoint, and what to think of it."""

    def __init__(self, config: HealthConfig, now: float, dice: Dice) -> None:
        self._config = config
        self._dice = dice
        self._run = 0  # successes (positive) or failures (negative) in a row
        self._asked_at: float | None = None
        self._next_at = now + config.interval_s * dice.random()
        self.well = False
        self._fresh = True

    def due(self, now: float) -> bool:
        """Whether to ask now; one question at a time."""
        return self._asked_at is None and now >= self._next_at

    def asked(self, now: float) -> None:
        """A question has gone out."""
        self._asked_at = now

    def answered(self, now: float) -> bool:
        """A good answer, also one that nobody asked for; True if it changed our mind."""
        before = self.well
        self._run = max(1, self._run + 1)
        self.well = before or self._fresh or self._run >= self._config.rise
        self._fresh = False
        self._plan(now)
        return self.well != before

    def failed(self, now: float) -> bool:
        """A bad answer; True if it changed our mind."""
        before = self.well
        self._run = min(-1, self._run - 1)
        self.well = before and -self._run < self._config.fall
        self._plan(now)
        return self.well != before

    def expire(self, now: float) -> bool:
        """An answer that is overdue is a bad one; True if it changed our mind."""
        if self._asked_at is not None and now - self._asked_at >= self._config.timeout_s:
            return self.failed(now)
        return False

    def next_deadline(self) -> float:
        """When to call `due` and `expire` next."""
        if self._asked_at is not None:
            return self._asked_at + self._config.timeout_s
        return self._next_at

    def _plan(self, now: float) -> None:
        self._asked_at = None
        # While answers contradict what we think we want to be sure soon.
        settled = (self._run > 0) == self.well
        interval_s = self._config.interval_s if settled else self._config.fast_interval_s
        self._next_at = now + interval_s * (1.0 + self._config.jitter * (2.0 * self._dice.random() - 1.0))
