"""Who has been refused so often that L4 should stop listening to him?

A source collects strikes: requests that the WAF blocked, or that ran into a
limit.  Strikes are forgiven at the rate of `after` a minute; who collects more
is named once, and again only when the ban has run out.

State: two bounded tables per reason.
"""

from edge.common.gcra import Gcra

WINDOW_S = 60.0
# An attacker with more addresses than this is banned by prefix or not at all.
SOURCES_MAX = 20_000


class Offenders:
    """Strikes of one kind."""

    def __init__(self, after: int, ban_s: float) -> None:
        """`after`: strikes within a minute; 0 means that nobody is ever named."""
        self._after = after
        self._ban_s = ban_s
        self._strikes = Gcra(max(1, after) / WINDOW_S, max(1, after), SOURCES_MAX)
        self._named = Gcra(1.0 / ban_s, 1, SOURCES_MAX)

    def strike(self, source: str, now: float) -> bool:
        """Count a refusal; True if `source` is to be banned now."""
        if not self._after or self._strikes.take(source, now) == 0.0:
            return False
        return self._named.take(source, now) == 0.0
