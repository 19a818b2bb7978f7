"""How long would a real service have taken?

Response times of real services are lopsided: most near the median, some far
above it, none far below.  A log-normal curve has that shape.
"""

import math

SIGMA = 0.35  # p99 is about 2.3 times the median
EFFORT_MAX_RATIO = 8.0  # a mock has no business in the far tail


def effort_s(median_s: float, dice: float) -> float:
    """An effort in seconds; `dice` is drawn from a normal distribution of 0 and 1."""
    return median_s * min(EFFORT_MAX_RATIO, math.exp(SIGMA * dice))
