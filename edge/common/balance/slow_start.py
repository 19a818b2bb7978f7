"""How much may a newcomer take?

A process that has just started has cold caches and no pooled connections.  Its
weight rises in a straight line from a tenth to all of it (Envoy's floor of 10 %,
AWS's linear ramp), in steps, so that a balancer need not be told each millisecond.
"""

FLOOR = 0.1  # Envoy's min_weight_percent
STEPS = 10  # tables and rotations are rebuilt at each step


def factor(age_s: float, ramp_s: float) -> float:
    """The share of its weight that an endpoint of this age has, in (0, 1]."""
    if ramp_s <= 0 or age_s >= ramp_s:
        return 1.0
    return max(FLOOR, int(max(0.0, age_s) / ramp_s * STEPS) / STEPS)


def next_step_s(age_s: float, ramp_s: float) -> float | None:
    """In how many seconds `factor` changes next; None when it will not."""
    if ramp_s <= 0 or age_s >= ramp_s:
        return None
    step = int(max(0.0, age_s) / ramp_s * STEPS) + 1
    return max(0.0, step * ramp_s / STEPS - age_s)
