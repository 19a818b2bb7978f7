"""Which requests has this worker just answered, and which are worth a longer memory?

For the console, which draws a sample of them as they happen, and for `edge trace
--slow` and `--failed`.  Nothing is counted or kept for it: the worker's rings of
records are read from their newest end, when somebody asks, and no further than what
was asked for.
"""

from collections.abc import Iterable
from typing import Any

from edge.l7.record import Record

LIMIT_MAX = 200
TARGET_CHARS_MAX = 120
# Envoy's flags for a delay and an abort that somebody injected.
FAULTED = frozenset({"DI", "FI"})


def is_worth_keeping(record: Record, slow_ns: int) -> bool:
    """Will somebody want to see this trace: asked for (`edge-trace: 1`), failed, faulted, retried or slow?"""
    return (
        record.keep
        or record.flag in FAULTED
        or record.status >= 500
        or len(record.tries) > 1
        or record.end_ns - record.start_ns > slow_ns
    )


def recent(newest_first: Iterable[Record], args: dict[str, Any]) -> list[dict[str, Any]]:
    """Requests that ended after `args["after_ns"]`, oldest first, the newest `args["limit"]` of them."""
    after_ns = int(args.get("after_ns", 0))
    limit = max(0, min(LIMIT_MAX, int(args.get("limit", LIMIT_MAX))))
    found: list[dict[str, Any]] = []
    for record in newest_first:
        if record.end_ns <= after_ns or len(found) >= limit:
            break
        found.append(_plain(record))
    return found[::-1]


def _plain(record: Record) -> dict[str, Any]:
    handover = record.flow.handover
    return {
        "trace_id": record.trace_id,
        "method": record.method,
        "path": record.target.partition(b"?")[0].decode("latin-1")[:TARGET_CHARS_MAX],
        "route": record.route,
        "status": record.status,
        "flag": record.flag,
        "start_ns": record.start_ns,
        "end_ns": record.end_ns,
        "total_ms": (record.end_ns - record.start_ns) / 1e6,
        "upstream": record.tries[-1].endpoint if record.tries else "",
        "tries": len(record.tries),
        "source": handover.source_ip,
        "l4": handover.l4_name,
    }
