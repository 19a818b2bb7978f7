"""Who would answer soonest?

Each endpoint has an estimate of its latency that jumps up at once and comes down
slowly (Finagle's peak EWMA, as in linkerd): one slow answer is believed
immediately, recovery has to be shown.  Cost is estimate times work in flight,
over weight; the cheaper of two drawn at random is chosen.

An endpoint that is no longer chosen would keep its bad estimate for ever, so an
estimate also decays while nobody asks.

State: two floats an endpoint.
"""

from collections.abc import Container, Sequence
from math import exp

from edge.common.balance.least import draw_two
from edge.common.balance.policy import NOBODY, Choice, Dice, Loads, Target, able

START_S = 0.030  # linkerd2-proxy's default RTT: an untried endpoint is neither praised nor feared
DECAY_S = 10.0  # linkerd2-proxy's
# Below this latency is noise of the event loop and only the work in flight counts.
FLOOR_S = 0.0001


class _Estimate:
    __slots__ = ("at", "latency_s")

    def __init__(self) -> None:
        self.latency_s = START_S
        self.at: float | None = None  # None: never measured

    def decayed(self, now: float) -> float:
        if self.at is None:
            return self.latency_s
        return self.latency_s * exp(-max(0.0, now - self.at) / DECAY_S)

    def learn(self, latency_s: float, now: float) -> None:
        if self.at is None or latency_s >= (decayed := self.decayed(now)):
            self.latency_s = latency_s
        else:
            share = exp(-max(0.0, now - self.at) / DECAY_S)
            # `decayed` has the old value's share in it already.
            self.latency_s = decayed + latency_s * (1.0 - share)
        self.at = now if self.at is None else max(self.at, now)


class PeakEwma:
    """The cheaper of two, by recent latency and work in flight."""

    name = "peak-ewma"

    def __init__(self) -> None:
        self._targets: list[Target] = []
        self._estimates: dict[str, _Estimate] = {}

    def set_endpoints(self, targets: Sequence[Target]) -> None:
        """Keep what was learned of those who stay, also of drained ones."""
        self._targets = able(targets)
        self._estimates = {target.name: self._estimates.get(target.name) or _Estimate() for target in targets}

    def pick(
        self, key: bytes, loads: Loads, dice: Dice, exclude: Container[str] = NOBODY, now: float = 0.0
    ) -> Choice | None:
        """The cheaper of two distinct candidates, or the only one."""
        drawn = draw_two(self._targets, dice, exclude)
        if drawn is None:
            return None
        first, second = drawn
        if second is None:
            return Choice(first.name, "nobody else was left")
        cost, other_cost = self._cost(first, loads, now), self._cost(second, loads, now)
        if other_cost < cost:
            first, second, cost, other_cost = second, first, other_cost, cost
        return Choice(
            first.name, f"cost {cost * 1000:.2f} ms against {other_cost * 1000:.2f} at {second.name}"
        )

    def observe(self, name: str, latency_s: float, now: float) -> None:
        """Learn how long `name` took; unknown names are ignored, they have just left."""
        estimate = self._estimates.get(name)
        if estimate is not None:
            estimate.learn(latency_s, now)

    def _cost(self, target: Target, loads: Loads, now: float) -> float:
        latency_s = max(FLOOR_S, self._estimates[target.name].decayed(now))
        return latency_s * (loads(target.name) + 1.0) / target.weight
