"""Should the next request still try this cluster, or is that only more trouble for it?

Closed, everything passes and outcomes are counted in windows of `WINDOW_S`.
When a window has at least `requests_min` of them and at least `failure_share`
failed, the breaker opens: requests are answered at once, with the time at which
it makes sense to come back.  Then it recovers: a growing share passes, from none
to all over the time for which it was open; another bad window opens it again,
for twice as long (the three states are Traefik's).

It sees what ejection cannot: a cluster all of whose endpoints fail.
"""

from typing import Literal

from edge.common.config import BreakerConfig

WINDOW_S = 1.0

State = Literal["closed", "open", "recovering"]


class Breaker:
    """One cluster's breaker."""

    __slots__ = ("_config", "_failed", "_open_s", "_since", "_total", "_window_at", "state")

    def __init__(self, config: BreakerConfig) -> None:
        self._config = config
        self._open_s = config.open_s
        self._since = 0.0
        self._window_at = 0.0
        self._total = self._failed = 0
        self.state: State = "closed"

    def admits(self, now: float, dice: float) -> bool:
        """May one more pass?  `dice` in [0, 1)."""
        if self.state == "closed":
            return True
        state = self._turned(now)
        if state == "recovering":
            return dice < (now - self._since) / self._open_s
        return state == "closed"

    def wait_s(self, now: float) -> float:
        """When it makes sense to come back."""
        if self.state == "open":
            return max(0.0, self._since + self._open_s - now)
        return 0.0

    def learn(self, ok: bool, now: float) -> None:
        """One that passed has ended."""
        config = self._config
        if config.failure_share <= 0.0:
            return
        if now - self._window_at >= WINDOW_S:
            self._window_at, self._total, self._failed = now, 0, 0
        self._total += 1
        if ok:
            return
        self._failed += 1
        enough = self._total >= config.requests_min
        if enough and self.state != "open" and self._failed >= config.failure_share * self._total:
            # Opened again before it had recovered: it needs longer.
            again = self.state == "recovering"
            self._open_s = min(self._open_s * 2, config.open_max_s) if again else config.open_s
            self.state, self._since = "open", now
            self._window_at, self._total, self._failed = now, 0, 0

    def _turned(self, now: float) -> State:
        if self.state == "open" and now - self._since >= self._open_s:
            self.state, self._since = "recovering", self._since + self._open_s
        if self.state == "recovering" and now - self._since >= self._open_s:
            self.state = "closed"
        return self.state
