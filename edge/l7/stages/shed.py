"""Is there too much to do, and is this request important enough all the same?

A worker has one thread.  When it has more to do than it can, everything gets
slower, and in the end nothing is answered in time: goodput falls to nothing.
So only so many requests are under way at once, and the least important are
refused first: a route of `shed-priority` 9 may use the whole limit, one of 0
only half of it, so ads and pictures go before the feed does.

The limit follows the one sign of overload that a worker has of itself: how late
its event loop runs.  Late for a while without a break, and the limit falls below
what is under way now; on time, and it rises slowly (additive increase,
multiplicative decrease, as in TCP).  A burst that is worked off in less is no
overload: only a queue that stands is (CoDel's insight).
What a service can bear is not asked here: each cluster has its own limits and
breaker.

State: two numbers.
"""

from collections.abc import Callable
from typing import Final

from edge.common.config import ShedConfig
from edge.l7.request import Request
from edge.l7.verdict import CONTINUE, Answer

PRIORITY_MAX: Final = 9
# What is left to the least important when the limit is in sight.
FLOOR_SHARE: Final = 0.5
RISE_PER_TICK: Final = 0.05
PROBLEM_TYPE: Final = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity"
_DEFAULT_PRIORITY: Final = 5


class Shed:
    """The stage: passes, or answers 503."""

    def __init__(self, config: ShedConfig, under_way: Callable[[], int]) -> None:
        """`under_way`: how many requests of this worker are at the services now."""
        self._config = config
        self._under_way = under_way
        self.limit = float(config.requests_max)
        self._late_since: float | None = None
        self.refused = 0

    def reload(self, config: ShedConfig) -> None:
        """Use other bounds; what was learned of the load stays."""
        self._config = config
        self.limit = min(self.limit, float(config.requests_max))

    def __call__(self, request: Request, now: float, unix_now: float) -> Answer | None:
        """Is there room for one of this importance?"""
        under_way = self._under_way()
        if under_way < self.limit * FLOOR_SHARE:
            return CONTINUE
        route = request.route
        priority = _DEFAULT_PRIORITY if route is None else route.config.shed_priority
        allowed = self.limit * (FLOOR_SHARE + (1.0 - FLOOR_SHARE) * priority / PRIORITY_MAX)
        if under_way < allowed:
            return CONTINUE
        self.refused += 1
        return Answer(
            status=503,
            reason="SHED",
            detail="There is too much to do just now.",
            why=f"shed: {under_way} under way, priority {priority} may use {allowed:.0f} of {self.limit:.0f}",
            # The less important come back later, so that they do not meet the others again.
            retry_after_s=1.0 + (PRIORITY_MAX - priority) * 0.5,
            problem_type=PROBLEM_TYPE,
        )

    def tick(self, lag_s: float, now: float) -> None:
        """Learn how late the event loop ran since the last tick, some four times a second."""
        config = self._config
        if lag_s * 1000.0 <= config.lag_ms_target:
            self._late_since = None
            self.limit = min(float(config.requests_max), self.limit * (1.0 + RISE_PER_TICK) + 1.0)
        elif self._late_since is None:
            self._late_since = now
        elif now - self._late_since >= config.lag_s:
            # From where we are, not from a limit that was never reached.
            under_way = self._under_way()
            self.limit = max(float(config.requests_min), min(self.limit, under_way) * config.backoff)
