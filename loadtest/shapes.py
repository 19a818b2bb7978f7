"""How many phones are awake at this moment of the run?

    steady   all of them, all the time
    ramp     ten steps up: where does it begin to hurt?
    spike    a fifth, then everybody at once: something went viral
    day      a night, a noon, and an evening that is busier still

Fractions of the run in, phones out: a shape of one minute and one of an hour are
the same picture.
"""

from math import cos, pi

from loadtest.settings import Shape

RAMP_STEPS = 10
SPIKE_BASE = 0.2
SPIKE_FROM, SPIKE_TO = 0.35, 0.65
NIGHT = 0.1  # of the evening's phones


def phones_at(shape: Shape, at: float, phones: int) -> int:
    """How many of `phones` are awake when `at` (0 to 1) of the run is over; at least one."""
    assert 0.0 <= at <= 1.0
    return max(1, round(phones * _share(shape, at)))


def _share(shape: Shape, at: float) -> float:
    if shape == "ramp":
        return min(RAMP_STEPS, int(at * RAMP_STEPS) + 1) / RAMP_STEPS
    if shape == "spike":
        return 1.0 if SPIKE_FROM <= at < SPIKE_TO else SPIKE_BASE
    if shape == "day":
        # Midnight at both ends; the second harmonic lifts the evening (at 0.8) over the noon.
        noon = (1 - cos(2 * pi * at)) / 2
        evening = max(0.0, cos(2 * pi * (at - 0.8))) ** 4
        return min(1.0, NIGHT + 0.55 * noon + 0.5 * evening)
    return 1.0
