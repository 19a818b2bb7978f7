"""What do a run's samples say, in numbers?

Each request of a phone leaves one `Sample`.  A latency is counted from when the
request was due, not from when a free connection was found, so a stalled edge
cannot hide behind a stalled load generator (coordinated omission).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from math import ceil
from typing import Any

from msgspec import Struct


class Sample(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request, or one connection, as the phone felt it."""

    load: str
    at_s: float  # when it was due, from the start of the run
    ms: float
    status: int = 0  # 0: no answer
    error: str = ""  # "timeout", "refused", "reset", ...
    server: str = ""
    trace_id: str = ""
    queue: int = 0  # how many waited at the server already
    attempts: int = 1
    user: int = 0
    phases: dict[str, float] = {}  # ms by name: dns, tcp, tls, wait
    right: bool = False  # the status is one that the load accepts


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the sorted `values` lie (nearest rank); 0 of none."""
    if not values:
        return 0.0
    return values[max(0, ceil(share * len(values)) - 1)]


def summary(samples: Sequence[Sample], seconds: float) -> dict[str, float]:
    """Every metric of `edge.lab.expect.METRICS` over `samples`, which span `seconds`."""
    good = [sample for sample in samples if sample.right]
    latencies = sorted(sample.ms for sample in good)
    bad = [sample for sample in samples if not sample.right]
    servers = Counter(sample.server for sample in good if sample.server)
    return {
        "sent": len(samples),
        "ok": len(good),
        "errors": len(bad),
        "error_share": len(bad) / len(samples) if samples else 0.0,
        "rate": len(samples) / seconds,
        "ok_rate": len(good) / seconds,
        "p50_ms": quantile(latencies, 0.5),
        "p90_ms": quantile(latencies, 0.9),
        "p95_ms": quantile(latencies, 0.95),
        "p99_ms": quantile(latencies, 0.99),
        "max_ms": latencies[-1] if latencies else 0.0,
        "mean_ms": sum(latencies) / len(latencies) if latencies else 0.0,
        "gap_ms": longest_gap_ms(good),
        "servers": len(servers),
        "busiest_share": max(servers.values(), default=0) / len(good) if good else 0.0,
        "moved": moved(samples),
        "queue_max": max((sample.queue for sample in samples), default=0),
        "refused": sum(sample.error in ("refused", "reset") for sample in samples),
        "timeouts": sum(sample.error == "timeout" for sample in samples),
        "unauthorized": sum(sample.status == 401 for sample in samples),
        "limited": sum(sample.status == 429 for sample in samples),
        "blocked": sum(sample.status == 403 for sample in samples),
        "server_errors": sum(sample.status >= 500 for sample in samples),
        "attempts": sum(sample.attempts for sample in samples),
        "first_ok_s": min((sample.at_s + sample.ms / 1000 for sample in good), default=-1.0),
        "last_error_s": max((sample.at_s for sample in bad), default=-1.0),
    }


def longest_gap_ms(good: Iterable[Sample]) -> float:
    """The longest time in which nothing was answered right, between the first and the last such answer."""
    ends = sorted(sample.at_s + sample.ms / 1000 for sample in good)
    return max((later - earlier for earlier, later in pairwise(ends)), default=0.0) * 1000


def moved(samples: Iterable[Sample]) -> int:
    """How many users were answered by more than one server."""
    seen: dict[int, set[str]] = {}
    for sample in samples:
        if sample.server:
            seen.setdefault(sample.user, set()).add(sample.server)
    return sum(len(servers) > 1 for servers in seen.values())


def windows(
    samples: Sequence[Sample], spans: Mapping[str, tuple[float, float]], whole_s: float
) -> dict[str, Any]:
    """The summary of all `samples`, and under each window's name that of those due within it."""
    result: dict[str, Any] = dict(summary(samples, whole_s))
    for name, (from_s, until_s) in spans.items():
        inside = [sample for sample in samples if from_s <= sample.at_s < until_s]
        result[name] = summary(inside, until_s - from_s)
    return result


Counters = dict[tuple[str, str, tuple[tuple[str, str], ...]], float]


def counters(snapshots: Mapping[str, Any]) -> Counters:
    """Every counter (a histogram counts its observations) by process, name and labels."""
    found: Counters = {}
    for process, families in snapshots.items():
        for family in families or ():
            if family["kind"] == "gauge":
                continue
            for values, value in family["values"]:
                labels = tuple(zip(family["labels"], values, strict=True))
                number = sum(value["counts"]) if isinstance(value, dict) else value
                found[process, family["name"], labels] = float(number)
    return found


def rises(before: Counters, after: Counters) -> list[tuple[str, dict[str, str], float]]:
    """How much each counter rose; a process that was restarted in between began at 0."""
    rows = []
    for (process, name, labels), value in after.items():
        earlier = before.get((process, name, labels), 0.0)
        rise = value - earlier if value >= earlier else value
        if rise:
            rows.append((name, {**dict(labels), "process": process}, rise))
    return rows


def series(samples: Iterable[Sample], step_s: float, until_s: float) -> dict[str, list[float]]:
    """Per step of the run: answers right and wrong per second, and their p50 and p95 in ms."""
    steps = max(1, int(until_s / step_s) + 1)
    right: list[list[float]] = [[] for _ in range(steps)]
    wrong = [0] * steps
    for sample in samples:
        at = min(steps - 1, int(sample.at_s / step_s))
        if sample.right:
            right[at].append(sample.ms)
        else:
            wrong[at] += 1
    for bucket in right:
        bucket.sort()
    return {
        "at_s": [step * step_s for step in range(steps)],
        "ok_per_s": [len(bucket) / step_s for bucket in right],
        "errors_per_s": [number / step_s for number in wrong],
        "p50_ms": [quantile(bucket, 0.5) for bucket in right],
        "p95_ms": [quantile(bucket, 0.95) for bucket in right],
    }
