"""Is the new version worse than the old one, or is that chance?

Requests of a split route are counted per cluster: how many, how many failed
(5xx or no answer).  The control is the cluster with the largest weight.  Each
other one is compared with it by the two-proportion z-test, one-sided, with
pooled variance:

    z = (p1 - p0) / sqrt(p (1 - p) (1/n1 + 1/n0)),   p = (x1 + x0) / (n1 + n0)

and is stopped, which means that it gets no new requests, when z > `Z_STOP`.

Looking again and again finds something by chance in the end.  So we look only
when the canary has a quarter more requests than at the last look: between 50
and 10,000 requests that is 24 looks, each wrong with probability 0.0005, so an
innocent canary is stopped at most once in 80 times.  A canary that fails 5 % of its
requests against 0.1 % is stopped within about 100 of them.

State: four integers per cluster.  Counts are halved when they grow large, so
that yesterday fades.
"""

from collections.abc import Mapping
from math import sqrt
from typing import Final

Z_STOP: Final = 3.29  # one-sided p = 0.0005
SAMPLES_MIN: Final = 50  # below it the normal approximation is none
FAILURES_MIN: Final = 5  # the textbook's condition for it
LOOK_GROWTH: Final = 1.25
COUNT_MAX: Final = 10_000


class _Group:
    __slots__ = ("failed", "look_at", "total")

    def __init__(self) -> None:
        self.total = 0
        self.failed = 0
        self.look_at = SAMPLES_MIN


class Canary:
    """The clusters of one split route."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        self.weights = dict(weights)
        self.control = max(self.weights, key=lambda name: self.weights[name])
        self._groups = {name: _Group() for name in weights}
        self.stopped: dict[str, str] = {}  # cluster -> why

    def learn(self, cluster: str, ok: bool) -> str:
        """One request of `cluster` is over; returns why it is to be stopped, "" if it goes on."""
        group = self._groups.get(cluster)
        if group is None:
            return ""
        group.total += 1
        group.failed += not ok
        if group.total >= COUNT_MAX:
            for one in self._groups.values():
                one.total //= 2
                one.failed //= 2
                one.look_at = max(SAMPLES_MIN, int(one.look_at / 2))
        if cluster == self.control or cluster in self.stopped or group.total < group.look_at:
            return ""
        group.look_at = int(group.total * LOOK_GROWTH) + 1
        return self._look(cluster, group)

    def _look(self, cluster: str, group: _Group) -> str:
        control = self._groups[self.control]
        if control.total < SAMPLES_MIN or group.failed < FAILURES_MIN:
            return ""
        z = z_score(group.failed, group.total, control.failed, control.total)
        if z <= Z_STOP:
            return ""
        why = (
            f"{cluster} failed {group.failed} of {group.total}, {self.control} {control.failed} of "
            f"{control.total}: z = {z:.1f} > {Z_STOP}"
        )
        self.stop(cluster, why)
        return why

    def stop(self, cluster: str, why: str) -> None:
        """Send `cluster` no new requests; somebody has to write a new split to begin again."""
        if cluster in self.weights:
            self.stopped[cluster] = why
            self.weights[cluster] = 0.0


def z_score(failed: int, total: int, control_failed: int, control_total: int) -> float:
    """How many standard errors the first share lies above the second; 0.0 where both are all or nothing."""
    pooled = (failed + control_failed) / (total + control_total)
    spread = sqrt(pooled * (1.0 - pooled) * (1.0 / total + 1.0 / control_total))
    if spread == 0.0:
        return 0.0
    return (failed / total - control_failed / control_total) / spread
