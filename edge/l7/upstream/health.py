"""Is this endpoint well, as far as asking it can tell?

An endpoint is asked every `interval_s`.  It takes `fall` failures in a row to be
taken down and `rise` successes to be taken back, so one lost answer moves
nobody; as long as the last answer contradicts what we believe we ask faster
(Envoy's unhealthy-edge interval).  Every interval is jittered, and the first
check comes at a random moment within one, so that workers and endpoints do not
fall into step.

A new endpoint is up until it fails (HAProxy's `init-state up`): it has announced
itself, and refusing the first phones for seconds would be the worse mistake.
"""

from edge.common.config import HealthConfig


class Health:
    """What active checks say of one endpoint."""

    __slots__ = ("_config", "_streak", "due_at", "last", "up")

    def __init__(self, config: HealthConfig, now: float, dice: float) -> None:
        """`dice` in [0, 1): when within the first interval the first check comes."""
        self._config = config
        self._streak = 0  # results in a row that contradict `up`
        self.up = True
        self.due_at = now + config.interval_s * dice
        self.last = "not checked yet"

    def begin(self, now: float) -> None:
        """A check is under way; the next is not due before this one has ended."""
        self.due_at = now + self._config.timeout_s + self._config.interval_s

    def result(self, ok: bool, detail: str, now: float, dice: float) -> bool:
        """Learn how a check went; True if that changed `up`.  `dice` in [0, 1) jitters the next."""
        config = self._config
        self.last = detail
        changed = False
        if ok == self.up:
            self._streak = 0
        else:
            self._streak += 1
            if self._streak >= (config.rise if ok else config.fall):
                self.up, self._streak, changed = ok, 0, True
        interval = config.fast_interval_s if self._streak else config.interval_s
        self.due_at = now + interval * (1.0 + config.jitter * (2.0 * dice - 1.0))
        return changed
