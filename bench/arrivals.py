"""When is each request due, if people ask independently of each other?

Gaps are drawn from an exponential distribution (Poisson arrivals), so requests meet
by chance as they do in life.  When a request is *due* does not depend on how the one
before fared; latency counted from there does not omit what an open system would feel
(Tene's "coordinated omission").
"""

import math
from collections.abc import Callable, Iterator


def arrivals(rate_per_s: float, seconds: float, dice: Callable[[], float]) -> Iterator[float]:
    """Moments in seconds from the start, in order; `dice()` is uniform over [0, 1)."""
    assert rate_per_s > 0, "nobody would ever come"
    due = 0.0
    while (due := due - math.log(1.0 - dice()) / rate_per_s) < seconds:
        yield due
