"""When to ask a second copy."""

import random

import pytest

from edge.common.config import HedgeConfig
from edge.l7.upstream.hedge_delay import SAMPLES_MIN, HedgeDelay, hedge_delay


def _taught(config: HedgeConfig, samples: list[float]) -> HedgeDelay:
    delay = HedgeDelay(config)
    for sample in samples:
        delay.learn(sample)
    return delay


def test_it_is_off_by_default() -> None:
    """Twice the work is nothing to do unasked."""
    assert hedge_delay(HedgeConfig()) is None


def test_a_fixed_time_needs_no_samples() -> None:
    """Who says 20 ms means 20 ms, whatever was measured."""
    assert HedgeDelay(HedgeConfig(after_ms=20)).delay_s() == 0.02
    assert _taught(HedgeConfig(after_ms=20), [1.0] * 1000).delay_s() == 0.02


def test_a_quantile_waits_until_it_knows_something() -> None:
    """The tail of a handful is noise."""
    config = HedgeConfig(quantile=0.95, after_ms=1)

    assert _taught(config, [0.5] * (SAMPLES_MIN - 1)).delay_s() is None
    assert _taught(config, [0.5] * SAMPLES_MIN).delay_s() == 0.5


def test_the_quantile_is_what_it_says() -> None:
    """About one in twenty takes longer than the 95th percentile."""
    dice = random.Random(1)
    samples = [dice.expovariate(100.0) for _ in range(512)]

    delay = _taught(HedgeConfig(quantile=0.95), samples).delay_s()

    assert delay is not None
    assert sum(sample > delay for sample in samples) / len(samples) == pytest.approx(0.05, abs=0.01)


def test_the_later_of_both_counts() -> None:
    """A quick service's tail is not worth a second request."""
    config = HedgeConfig(quantile=0.95, after_ms=50)

    assert _taught(config, [0.001] * 200).delay_s() == 0.05
    assert _taught(config, [0.2] * 200).delay_s() == 0.2


def test_yesterday_fades() -> None:
    """A service that became quick again is measured by what it is now."""
    delay = _taught(HedgeConfig(quantile=0.5), [1.0] * 600 + [0.01] * 600)

    assert delay.delay_s() == 0.01
