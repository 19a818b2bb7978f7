"""What does every way of choosing an endpoint have in common?

A `Balancer` is told who may be chosen (`set_endpoints`) and then asked, once a
connection or request (`pick`).  It holds no connection counts: the caller knows
the truth and lends it as `loads`.  Clock and dice are lent as well, so the same
arguments always give the same answer.
"""

from collections.abc import Callable, Container, Sequence
from typing import NamedTuple, Protocol


class Target(NamedTuple):
    """An endpoint that may be chosen; a weight of 0 says: not for new work."""

    name: str
    weight: float = 1.0


class Choice(NamedTuple):
    """Who was chosen, and why, in words that fit after "because"."""

    name: str
    why: str


class Dice(Protocol):
    """`random.Random` is one; a test brings its own."""

    def random(self) -> float:
        """A number in [0, 1)."""
        ...


Loads = Callable[[str], float]  # how much an endpoint has to do now; unknown names are 0
NOBODY: Container[str] = frozenset()


class Balancer(Protocol):
    """One policy with its state; owned by one task."""

    name: str  # the policy's configuration name

    def set_endpoints(self, targets: Sequence[Target]) -> None:
        """Replace the set; state of endpoints that stay is kept."""
        ...

    def pick(
        self, key: bytes, loads: Loads, dice: Dice, exclude: Container[str] = NOBODY, now: float = 0.0
    ) -> Choice | None:
        """The endpoint for `key`, or None where nobody is left to choose.

        `key` names the flow and matters to the hashing policies only.  `now` is
        monotonic seconds and matters to peak EWMA only.
        """
        ...

    def observe(self, name: str, latency_s: float, now: float) -> None:
        """An answer of `name` took this long; only peak EWMA listens."""
        ...


def able(targets: Sequence[Target]) -> list[Target]:
    """The targets that take new work.  Raises `ValueError` on a name given twice."""
    if len({target.name for target in targets}) != len(targets):
        raise ValueError("an endpoint's name is given twice")
    return [target for target in targets if target.weight > 0]
