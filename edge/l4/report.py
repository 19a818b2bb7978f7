"""What does this L4 answer when it is asked about itself?

Plain values for the control channel: statistics, "where would this flow go, and
why?", "what would draining this worker move?".  All are questions: nothing here
changes a count.
"""

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from edge.l4.admission import unmapped
from edge.l4.counters import Counters
from edge.l4.distributor import NO_LINK, Distributor

ROWS_MAX = 200


def statistics(distributor: Distributor, counters: Counters, who: dict[str, Any]) -> dict[str, Any]:
    """Results, workers with their true counts, admission's memory."""
    admission = distributor.admission
    return {
        **who,
        "policy": distributor.policy,
        "mood": distributor.mood,
        "results": counters.results(),
        "connections": len(distributor.connections),
        "known_sources": admission.known(),
        "bans": admission.banned(),
        "flooding": admission.flooding,
        "workers": [
            {
                "name": worker.name,
                "linked": worker.linked,
                "well": worker.well,
                "draining": worker.draining,
                "weight": worker.weight,
                "open": worker.open,
                "in_flight": worker.sent - worker.taken,
            }
            for worker in sorted(distributor.workers.values(), key=lambda worker: worker.name)
        ],
    }


BytesOf = Callable[[int], tuple[int, int] | None]


def unknown(ticket: int) -> None:
    """Handoff: bytes are not seen."""


def open_connections(
    distributor: Distributor,
    now: float,
    bytes_of: BytesOf = unknown,
    source: bytes | None = None,
    rows_max: int = ROWS_MAX,
) -> list[dict[str, Any]]:
    """Who is connected from where to which worker since when, and bytes where they are known."""
    names = {worker.link: worker.name for worker in distributor.workers.values()}
    names[NO_LINK] = "on its way"
    return [
        {
            "source": str(ip_address(row.source)),
            "port": row.port,
            "worker": names.get(row.link, "a worker that has left"),
            "for_s": round(now - row.since, 3),
            "bytes": bytes_of(row.ticket),
        }
        for row in distributor.connections.rows(min(rows_max, ROWS_MAX), source)
    ]


def explain_flow(
    distributor: Distributor,
    who: dict[str, Any],
    args: dict[str, Any],
    now: float,
    bytes_of: BytesOf = unknown,
) -> dict[str, Any]:
    """`args`: "source" (an address) and "port", 0 for any.

    Where the source's open connections are, what admission would say to one more,
    and which worker that would get.
    """
    try:
        packed = unmapped(ip_address(str(args.get("source", ""))).packed)
    except ValueError as error:
        return {**who, "error": str(error)}
    port = int(args.get("port", 0))
    admission = distributor.admission
    rows = open_connections(distributor, now, bytes_of, packed)
    choice, targets = distributor.would_choose(packed, now)
    return {
        **who,
        "policy": distributor.policy,
        "mood": distributor.mood,
        "open": [row for row in rows if port in (0, row["port"])],
        "source_open": admission.open_of(packed),
        "bucket_level": round(admission.level_of(packed, now), 1),
        "banned": admission.is_banned(packed, now),
        "flooding": admission.flooding,
        "candidates": [target.name for target in targets],
        "choice": choice.name if choice is not None else None,
        "why": choice.why if choice is not None else "no worker can take a connection",
        "depends_on_source": distributor.policy in ("hash", "bounded-hash"),
    }


def explain_drain(distributor: Distributor, who: dict[str, Any], args: dict[str, Any]) -> dict[str, Any]:
    """`args`: "worker", a worker's name.

    How many live connections it holds, and the weights from which whoever asked can
    work out the shares of the hash space: building tables takes tens of milliseconds
    that an L4 has better uses for.
    """
    name = str(args.get("worker", ""))
    worker = distributor.workers.get(name)
    if worker is None:
        return {**who, "error": f"{name!r} is no worker of this L4"}
    live = sum(1 for row in distributor.connections.rows(1 << 20) if row.link == worker.link)
    return {
        **who,
        "policy": distributor.policy,
        "target": name,
        "linked": worker.linked,
        "live_here": live,
        "open": worker.open,
        "weights": {w.name: w.weight / 100 for w in distributor.workers.values() if w.linked},
    }
