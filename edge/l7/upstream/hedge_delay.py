"""How long is a copy given to answer before a second one is asked as well?

Either a fixed time, or a quantile of how long first bytes took lately ("The Tail at
Scale", Dean and Barroso 2013: after the 95th percentile, one request in twenty is
asked twice), or the later of both.

A first try that lost its race is not known to its end; what it had taken by then is
counted as if it had ended there.  Left out, it would make the sample ever quicker
and the second tries ever more.

State: the latest `SAMPLES_MAX` times of one cluster; the quantile is taken anew once
in `LOOK_EVERY` of them, which costs half a microsecond a request.
"""

from typing import Final

from edge.common.config import HedgeConfig

SAMPLES_MAX: Final = 512
# Fewer say nothing about a tail: the 95th percentile of 100 rests on five.
SAMPLES_MIN: Final = 100
LOOK_EVERY: Final = 64


class HedgeDelay:
    """The patience of one cluster."""

    def __init__(self, config: HedgeConfig) -> None:
        self._config = config
        self._samples: list[float] = []
        self._next = 0
        self._since_look = 0
        self._quantile_s = 0.0

    def learn(self, first_byte_s: float) -> None:
        """An answer began, or its try was given up, after so long."""
        if len(self._samples) < SAMPLES_MAX:
            self._samples.append(first_byte_s)
        else:
            self._samples[self._next] = first_byte_s
            self._next = (self._next + 1) % SAMPLES_MAX
        self._since_look += 1
        known = len(self._samples)
        if known == SAMPLES_MIN or (known > SAMPLES_MIN and self._since_look >= LOOK_EVERY):
            self._since_look = 0
            self._quantile_s = sorted(self._samples)[int(self._config.quantile * known)]

    def delay_s(self) -> float | None:
        """When to ask a second copy; None: not at all, because too little is known yet."""
        if self._config.quantile and len(self._samples) < SAMPLES_MIN:
            return None
        return max(self._config.after_ms / 1000, self._quantile_s if self._config.quantile else 0.0)


def hedge_delay(config: HedgeConfig) -> HedgeDelay | None:
    """The keeper for `config`; None where hedging is off."""
    return HedgeDelay(config) if config.after_ms or config.quantile else None
