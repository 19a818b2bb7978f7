"""What did the load generator see?

wrk (through a Lua hook, because its printed report rounds) and our own phones end
with the same line: `JSON{...}`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Seen:
    """One turn's load.  Latencies in microseconds, as the phone felt them."""

    requests: int
    seconds: float
    errors: int
    p50_us: float = 0.0
    p90_us: float = 0.0
    p99_us: float = 0.0
    bytes: int = 0
    extra: dict[str, float] = field(default_factory=dict)

    @property
    def per_s(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds if self.seconds else 0.0


def parse(line: str) -> Seen:
    """Raises `ValueError` for a line that is no report."""
    if not line.startswith("JSON"):
        raise ValueError(f"not a report: {line!r}")
    told: dict[str, Any] = json.loads(line.removeprefix("JSON"))
    try:
        return Seen(
            requests=told["requests"],
            seconds=told["us"] / 1e6,
            errors=told["errors"],
            p50_us=told["p50_us"],
            p90_us=told["p90_us"],
            p99_us=told["p99_us"],
            bytes=told.get("bytes", 0),
            extra=told.get("extra", {}),
        )
    except KeyError as missing:
        raise ValueError(f"a report without {missing}") from missing


def without_the_first(seen: Seen, requests: int) -> Seen:
    """`seen` as from request number `requests` on, where its bill began."""
    assert 0 <= requests <= seen.requests, "more before the mark than there were"
    share = 1 - requests / seen.requests if seen.requests else 1.0
    return Seen(
        seen.requests - requests,
        seen.seconds * share,  # the rate stays what it was
        seen.errors,
        seen.p50_us,
        seen.p90_us,
        seen.p99_us,
        seen.bytes,
        seen.extra,
    )


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile of what is sorted already; 0 of nothing."""
    if not ordered:
        return 0.0
    rank = max(1, -(-len(ordered) * percent // 100))
    return ordered[int(rank) - 1]
