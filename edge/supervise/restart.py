"""When is a worker that died started again?

At once, the first time: `kill -9` is an everyday event.  A worker that keeps
dying young waits longer each time, so a bug at start-up does not burn a core.
"""

from dataclasses import dataclass

BACKOFF_START_S = 0.02
BACKOFF_MAX_S = 5.0
# One that has lived this long was healthy: its next death starts from the beginning.
HEALTHY_AFTER_S = 5.0


@dataclass(slots=True)
class Restart:
    """The history of one worker."""

    started_at: float = 0.0
    young_deaths: int = 0

    def started(self, now: float) -> None:
        """The worker has just been started."""
        self.started_at = now

    def died(self, now: float) -> float:
        """The worker is dead; at which time is it to be started again?"""
        if now - self.started_at >= HEALTHY_AFTER_S:
            self.young_deaths = 0
        wait = 0.0 if not self.young_deaths else BACKOFF_START_S * 2.0 ** min(self.young_deaths, 10)
        self.young_deaths += 1
        return now + min(BACKOFF_MAX_S, wait)
