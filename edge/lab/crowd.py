"""Was the machine ours while we measured?

A lab's expectations are about the edge, but what it measures is the edge on this
machine, today.  Whoever compiles something beside it changes a latency tenfold and
teaches the learner a lie.  The kernel knows how long all CPUs were busy, and how
long with us and our children; the rest was somebody else's.
"""

from msgspec import Struct

# From here on a measurement that surprises may be somebody else's doing: a fifth of
# one core of two.
CROWDED_SHARE = 0.1


class Busy(Struct, frozen=True):
    """CPU seconds since boot, of all CPUs together; `ours` since this process began."""

    busy_s: float
    idle_s: float
    ours_s: float


def read(proc_stat: str, ticks_per_s: int, ours_s: float) -> Busy:
    """The first line of /proc/stat (proc(5)): user nice system idle iowait irq softirq steal."""
    user, nice, system, idle, waiting, irq, softirq, stolen = map(int, proc_stat.split()[1:9])
    busy = user + nice + system + irq + softirq + stolen
    return Busy(busy / ticks_per_s, (idle + waiting) / ticks_per_s, ours_s)


def others_share(before: Busy, after: Busy) -> float:
    """The share of the machine that others had between the two looks, from 0 to 1."""
    busy_s = after.busy_s - before.busy_s
    whole_s = busy_s + after.idle_s - before.idle_s
    others_s = busy_s - (after.ours_s - before.ours_s)
    return max(0.0, others_s / whole_s) if whole_s > 0 else 0.0
