"""Is it my turn to be active?

The pair shares the listening sockets, and one of them accepts.  Who that is, is
written in numbered files, one an epoch, each claimed once (`edge.l4.fence`).
This module looks at what a standby sees of the holder and decides; it is asked
each beat and whenever the holder's death is signalled.

* The holder is gone (its lock is free): at once.
* The holder's process is stopped: at once as well.  The kernel says so, and it
  will not run before somebody continues it.
* The holder is silent and under a tracer: after `BEATS_MISSED`, as VRRP does.  A
  tracer stops its process for moments all the time.
* The holder is silent but runnable: the machine is busy rather than the holder
  dead.  A claim now would only move the work to the next starved process, so
  only after `BEATS_MISSED_BUSY`.
* Nobody holds anything yet: in order of rank, so that the first of the
  configuration is active after a clean start.

Nobody is preempted: a holder that lost its place comes back as a standby
(keepalived's `nopreempt`).
"""

from dataclasses import dataclass

BEATS_MISSED = 3  # VRRP, keepalived
BEATS_MISSED_BUSY = 6
# How much longer each rank waits before the first epoch: a fork takes about 20 ms.
RANK_STEP_S = 0.15
# States of /proc/<pid>/stat in which a process will not run by itself: stopped,
# zombie, dead.
_HALTED = frozenset("TZXx")
_TRACED = "t"


@dataclass(frozen=True, slots=True)
class Sight:
    """What a standby sees of the newest epoch."""

    epoch: int  # 0: there has never been one
    held: bool = False  # somebody still holds its lock
    beat_age_s: float = 0.0
    process_state: str = "R"  # one letter, as in /proc/<pid>/stat


def reason_to_claim(sight: Sight, rank: int, waited_s: float, beat_s: float) -> str | None:
    """Why the next epoch should be claimed now, or None.

    `rank`: 0 for the first of the POP.  `waited_s`: how long this process has
    been looking.
    """
    if not sight.held:
        if waited_s < rank * RANK_STEP_S:
            return None
        return "nobody was active" if sight.epoch == 0 else "the active one is gone"
    if sight.process_state in _HALTED:
        return "the active one is stopped"
    if sight.beat_age_s > BEATS_MISSED * beat_s and sight.process_state == _TRACED:
        return "the active one is stopped"
    if sight.beat_age_s > BEATS_MISSED_BUSY * beat_s:
        return "the active one is silent"
    return None
