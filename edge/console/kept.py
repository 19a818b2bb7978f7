"""Which requests are remembered longer than the processes that served them?

Each L7 worker keeps the records of slow, failed, retried and asked-for requests; their
spans lie in the rings of ten processes, where younger traces push them out and where a
`kill -9` loses them.  The console therefore gathers such a trace once, about a second
after it ended, and keeps it whole.  Whoever asks everybody for a trace
(`edge trace --id`, `edge explain`) is answered from here, too.

State: the latest `TRACES_MAX` traces of at most `SPANS_MAX` spans, some 20 KB each.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from edge.common.spans import Span

TRACES_MAX = 512
SPANS_MAX = 256
# A burst of failures is told by a few of its members; gathering asks every process.
FETCH_MAX = 4
# A service writes its span down after it answered; and who is slow ends late.
SETTLE_NS = 300_000_000

Told = dict[str, Any]  # one request, as the ask "recent" tells it


class Kept:
    """Whole traces, found by id."""

    def __init__(self, traces_max: int = TRACES_MAX) -> None:
        self._traces_max = traces_max
        self._traces: dict[str, tuple[Told, list[Span]]] = {}  # insertion order is age
        self.skipped = 0  # worth keeping, but there were too many at once

    def missing(self, answers: Mapping[str, Any], now_ns: int) -> list[Told]:
        """Which of the requests that the workers remember to gather now, oldest first.

        At most `FETCH_MAX`: the failed before the slow, the slowest first.
        """
        found: dict[str, Told] = {}
        for worker, requests in sorted(answers.items()):
            for one in requests or ():
                is_over = int(one["end_ns"]) + SETTLE_NS <= now_ns
                if is_over and one["trace_id"] not in self._traces:
                    found.setdefault(one["trace_id"], {**one, "worker": worker})
        worst = sorted(found.values(), key=lambda one: (one["status"] < 500, -float(one["total_ms"])))
        self.skipped += max(0, len(worst) - FETCH_MAX)
        return sorted(worst[:FETCH_MAX], key=lambda one: int(one["end_ns"]))

    def keep(self, told: Told, spans: Sequence[Span]) -> None:
        """Remember a whole trace; the oldest is forgotten."""
        while len(self._traces) >= self._traces_max:
            del self._traces[next(iter(self._traces))]
        self._traces[told["trace_id"]] = (told, list(spans[:SPANS_MAX]))

    def find(self, trace_id: str) -> list[Span]:
        """The spans of that trace, empty if it is not kept."""
        known = self._traces.get(trace_id)
        return list(known[1]) if known else []

    def recent(self, args: Mapping[str, Any]) -> list[Told]:
        """The answer to the ask "recent" for kept requests, oldest first; empty for a sample of all."""
        if not args.get("kept"):
            return []
        return [told for told, _ in self._traces.values()]

    def __len__(self) -> int:
        return len(self._traces)
