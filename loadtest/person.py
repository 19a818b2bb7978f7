"""What does somebody with a phone do next, and how long do they look first?

A person opens the feed, scrolls, is drawn into stories, reads and writes
messages, comes back.  The steps form a Markov chain; the pauses between them are
log-normal, as reading times are: many short ones, some long, none negative.  The
dice are an argument, so a person can be lived again.
"""

from collections.abc import Mapping
from math import exp
from typing import Literal, Protocol

Step = Literal["refresh", "scroll", "stories", "inbox", "thread", "write"]


class Dice(Protocol):
    """What we need of `random.Random`."""

    def random(self) -> float:
        """A number in [0, 1)."""

    def gauss(self, mu: float, sigma: float) -> float:
        """A normally distributed number."""


# From each step, how likely is each next one?  Weights, not probabilities.
NEXT: Mapping[Step, Mapping[Step, float]] = {
    "refresh": {"scroll": 6, "stories": 3, "inbox": 1},
    "scroll": {"scroll": 6, "refresh": 1, "stories": 1.5, "inbox": 1.5},
    "stories": {"stories": 4, "scroll": 4, "inbox": 1, "refresh": 1},
    "inbox": {"thread": 7, "refresh": 3},
    "thread": {"write": 5, "inbox": 2, "refresh": 3},
    "write": {"thread": 5, "write": 1, "refresh": 4},
}

# The median pause after each step, in seconds, and the spread of its logarithm.
PAUSE_S: Mapping[Step, float] = {
    "refresh": 1.2,
    "scroll": 1.5,
    "stories": 2.0,
    "inbox": 0.8,
    "thread": 1.5,
    "write": 3.0,
}
SPREAD = 0.6
PAUSE_S_MAX = 15.0  # whoever puts the phone away for longer is no load

# After a failure an app waits before it tries by itself: exponentially longer, with full jitter,
# or a short outage becomes a long one (AWS, "Exponential Backoff And Jitter").
SETBACK_S = 1.0
SETBACK_S_MAX = 30.0

PHRASES = (
    "on my way",
    "look at this",
    "are you there?",
    "haha",
    "see you at eight",
    "which platform?",
    "happy birthday!",
    "did you see the sunset from the fort?",
)


class Person:
    """Somebody's way through the app."""

    def __init__(self, dice: Dice) -> None:
        self._dice = dice
        self._setbacks = 0
        self.step: Step = "refresh"

    def move(self) -> Step:
        """The next step; `step` keeps it."""
        choices = NEXT[self.step]
        left = self._dice.random() * sum(choices.values())
        for step, weight in choices.items():
            self.step = step
            left -= weight
            if left < 0:
                break
        return self.step

    def pause_s(self, pace: float = 1.0) -> float:
        """How long they look at what the current step brought."""
        return min(PAUSE_S_MAX, PAUSE_S[self.step] * exp(self._dice.gauss(0.0, SPREAD))) / pace

    def setback(self) -> float:
        """Something failed: how long the app waits before it tries again, in seconds."""
        ceiling_s = min(SETBACK_S_MAX, SETBACK_S * 2.0 ** min(self._setbacks, 10))
        self._setbacks += 1
        return ceiling_s * (0.5 + self._dice.random() / 2)

    def recover(self) -> None:
        """It worked."""
        self._setbacks = 0

    def phrase(self) -> str:
        """Something to write."""
        return PHRASES[int(self._dice.random() * len(PHRASES))]
