"""Which requests are worth a look after the run?

Locust keeps distributions and forgets the requests.  This keeps the few that a
person wants to open in `edge trace --id`: the slowest, the first of each kind of
failure, and how often a feed came without one of its parts.

State: `SLOWEST_MAX` and `FAILURES_MAX` entries; counts by a fixed set of names.
"""

from collections import Counter
from dataclasses import dataclass

SLOWEST_MAX = 5
FAILURES_MAX = 20


@dataclass(frozen=True, slots=True, order=True)
class Seen:
    """One request."""

    took_ms: float
    name: str
    request_id: str
    what: str = ""


class Notable:
    """The memory of one run."""

    def __init__(self) -> None:
        self.slowest: list[Seen] = []
        self.failures: list[Seen] = []
        self.degraded: Counter[str] = Counter()
        self.connections: Counter[str] = Counter()
        self.failed = 0

    def request(self, name: str, took_ms: float, request_id: str, failure: str) -> None:
        """A request ended; `failure` is empty where it went well."""
        seen = Seen(took_ms, name, request_id, failure)
        if failure:
            self.failed += 1
            if len(self.failures) < FAILURES_MAX:
                self.failures.append(seen)
        if request_id and (len(self.slowest) < SLOWEST_MAX or took_ms > self.slowest[-1].took_ms):
            self.slowest = sorted([*self.slowest, seen], reverse=True)[:SLOWEST_MAX]

    def lines(self) -> list[str]:
        """The summary, for people."""
        told = ["connections by POP address:"]
        told += [f"  {address:<16} {count}" for address, count in sorted(self.connections.items())]
        if self.degraded:
            parts = ", ".join(f"{part} {count}" for part, count in self.degraded.most_common())
            told.append(f"feeds without a part: {parts}")
        told.append("slowest requests (edge trace --id ID):")
        told += [f"  {seen.took_ms:8.1f} ms  {seen.name}  {seen.request_id}" for seen in self.slowest]
        if self.failed:
            told.append(f"failed requests: {self.failed}; the first of them:")
            told += [
                f"  {seen.took_ms:8.1f} ms  {seen.name}  {seen.request_id or '-'}  {seen.what}"
                for seen in self.failures
            ]
        return told
