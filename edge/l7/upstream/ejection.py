"""Is this endpoint well, as far as its answers to real requests can tell?

An endpoint that fails `eject_after` requests in a row (5xx, no connection, no
answer in time) is left alone for `eject_s`, the next time for twice as long, up
to `eject_max_s` (Envoy's outlier detection).  Each `eject_s` of good behaviour
takes one back.  It returns by time alone, or at once when active checks have
found it well.

How many may be away together is for the cluster to say, which sees all of them.
"""

from edge.common.config import HealthConfig


class Ejection:
    """What passive observation says of one endpoint."""

    __slots__ = ("_config", "_failures", "_times", "until", "well_since")

    def __init__(self, config: HealthConfig, now: float) -> None:
        self._config = config
        self._failures = 0
        self._times = 0
        self.until = 0.0  # 0.0: not ejected
        self.well_since = now

    def failed(self) -> bool:
        """A request failed; True if that is one too many."""
        self._failures += 1
        return self.until == 0.0 and 0 < self._config.eject_after <= self._failures

    def succeeded(self) -> None:
        """A request was answered."""
        self._failures = 0

    def eject(self, now: float) -> None:
        """Leave it alone for a while, longer each time."""
        forgiven = int((now - self.well_since) / self._config.eject_s)
        self._times = max(0, self._times - forgiven) + 1
        self.until = now + min(self._config.eject_s * self._times, self._config.eject_max_s)

    def restore(self, now: float) -> None:
        """Give it another chance."""
        self.until = 0.0
        self._failures = 0
        self.well_since = now
