"""Can a phone that is sent to this POP be served there?

A POP takes new phones while it has at least one L4 process to accept them
(active, or standing by: it takes over within 100 ms) and one L7 worker to answer
them, neither draining nor weighted down to nothing by the operator.

Before the hub has told us of anybody, nothing is known, and unknown is not
down: a name server that starts while the hub is away sends phones to the
nearest POP, as if all were well.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from edge.common.messages import Member


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a POP takes new phones; `why` completes "mumbai has ..."."""

    healthy: bool
    why: str


UNKNOWN = Health(True, "not been heard of yet")


def health_by_pop(pops: Iterable[str], members: Iterable[Member]) -> dict[str, Health]:
    """The health of each of `pops`, going by everybody the hub has told us of."""
    names = list(pops)
    ready: dict[tuple[str, str], int] = {}
    heard = False
    for member in members:
        if member.tier not in ("l4", "l7") or not member.pop:
            continue  # the L4 in front of us stands in no POP
        heard = True
        if member.state == "live" and member.weight > 0:
            seat = (member.pop, member.tier)
            ready[seat] = ready.get(seat, 0) + 1
    if not heard:
        return dict.fromkeys(names, UNKNOWN)
    return {name: _judge(ready.get((name, "l4"), 0), ready.get((name, "l7"), 0)) for name in names}


def _judge(l4: int, l7: int) -> Health:
    if l4 and l7:
        return Health(True, f"{l4} L4 and {l7} L7 ready")
    missing = " and ".join(tier for tier, count in (("L4", l4), ("L7", l7)) if not count)
    return Health(False, f"no {missing} ready")
