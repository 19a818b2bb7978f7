"""Which of the requests that L7 has kept does a person ask for?"""

from collections.abc import Mapping, Sequence
from typing import Any

from edge.cli.status_report import age

HEAD = ("AGE", "STATUS", "FLAG", "MS", "METHOD", "PATH", "UPSTREAM", "WORKER", "TRACE")
LISTED_MAX = 40


def listed(answers: Mapping[str, Any], slow_ms: float | None, *, with_failed: bool) -> list[dict[str, Any]]:
    """The newest `LISTED_MAX`, oldest first; a request that two processes remember is listed once."""
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for worker, requests in sorted(answers.items()):
        for one in requests or ():
            is_slow = slow_ms is not None and one["total_ms"] >= slow_ms
            is_failed = with_failed and (one["status"] >= 500 or one["status"] == 0)
            if is_slow or is_failed:
                found.setdefault((one["trace_id"], one["start_ns"]), {"worker": worker, **one})
    return sorted(found.values(), key=lambda one: int(one["end_ns"]))[-LISTED_MAX:]


def rows(found: Sequence[Mapping[str, Any]], now_ns: int) -> list[tuple[str, ...]]:
    """A line of the table for each."""
    return [
        (
            age((now_ns - one["end_ns"]) / 1e9),
            str(one["status"] or "-"),
            str(one["flag"] or "-"),
            f"{one['total_ms']:.1f}",
            str(one["method"]),
            str(one["path"]),
            str(one["upstream"] or "-"),
            str(one["worker"]),
            str(one["trace_id"]),
        )
        for one in found
    ]
