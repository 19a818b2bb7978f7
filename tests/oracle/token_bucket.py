"""The token bucket as everybody draws it: a level, and a clock that refills it."""

from fractions import Fraction


class Bucket:
    """Exact arithmetic; starts full."""

    def __init__(self, rate: int, burst: int) -> None:
        self.rate = rate
        self.burst = burst
        self.level = Fraction(burst)
        self.at = Fraction(0)

    def take(self, now: Fraction) -> bool:
        """Whether there was a token."""
        self.level = min(Fraction(self.burst), self.level + (now - self.at) * self.rate)
        self.at = now
        if self.level < 1:
            return False
        self.level -= 1
        return True
