"""How do the workers of one POP keep one limit between them, and how far off can they be?

Each worker decides by itself, at once, from its own GCRA table, and tells the
others afterwards what it granted: every `SYNC_S` the new grants go to the hub,
which passes them to the other workers of the POP, and each of them spends that
much in its table as if it had granted it.  Nobody overwrites anybody's count;
grants only add up, in whatever order they arrive.

**The error.**  With N workers, a rate r, a burst b and a delay d between a grant
and the last worker's knowledge of it (two flushes of the links, about 2 `SYNC_S`):

- one source that falls upon all workers at the same moment gets at most
  N*b + (N-1)*r*d instead of b before everybody knows;
- what was granted too much is a debt in every table and is worked off before
  the next grant, so that over any longer time t the grants are
  r*t + b, give or take (N-1)*(b + r*d).  In lasting overload it is (N-1)*r*d:
  for 4 workers, 100 a second and d = 0.1 s that is 30 requests, once.

**Without a hub** nobody hears of the others, so each worker charges N for one
request: together they stay below the limit, at the price of refusing too soon
where the load is uneven.  N is the last known number of workers.

A report names at most `KEYS_PER_REPORT_MAX` keys, the busiest first; the rest
waits for the next one, in a table of at most `KEYS_WAITING_MAX`.
"""

from collections.abc import Iterable, Mapping
from heapq import nlargest
from typing import Any, Final, Protocol

# The link flushes reports at this interval; asking for more would not make it quicker.
SYNC_S: Final = 0.05
TOPIC: Final = "spent"
# 500 keys of 20 bytes make a frame of 12 KiB, 20 times a second and worker.
KEYS_PER_REPORT_MAX: Final = 500
KEYS_WAITING_MAX: Final = 10_000


class Spends(Protocol):
    """What takes note of others' grants: `edge.common.gcra.Gcra`."""

    def spend(self, key: str, now: float, amount: float = 1.0) -> float:
        """Count `amount` as done."""


class SharedLimits:
    """One worker's grants on their way to the others, and theirs on their way in."""

    def __init__(self, tables: Mapping[str, Spends]) -> None:
        """`tables`: limit name to its table, shared limits only."""
        self._tables = dict(tables)
        self._waiting: dict[str, dict[str, int]] = {name: {} for name in tables}
        self._workers = 1
        self.price = 1  # what one request costs now
        self.listened = False  # is there anybody to tell?
        self.dropped = 0
        self.heard = 0

    def granted(self, limit: str, key: str) -> None:
        """This worker let one more of `key` pass; to be called only while `listened`."""
        waiting = self._waiting[limit]
        if key in waiting:
            waiting[key] += 1
        elif len(waiting) < KEYS_WAITING_MAX:
            waiting[key] = 1
        else:
            self.dropped += 1

    def neighbours(self, workers: int, linked: bool) -> None:
        """So many workers are in the POP, and the hub is or isn't there to hear of them."""
        self._workers = max(1, workers)
        self.price = 1 if linked else self._workers
        self.listened = linked and self._workers > 1
        if not self.listened:
            # Old grants told to a hub that comes back would be counted twice.
            for waiting in self._waiting.values():
                waiting.clear()

    def report(self) -> dict[str, dict[str, int]] | None:
        """What the others do not know yet, busiest keys first; None when there is nothing."""
        told: dict[str, dict[str, int]] = {}
        room = KEYS_PER_REPORT_MAX
        for limit, waiting in self._waiting.items():
            if len(waiting) <= room:
                if waiting:
                    told[limit], self._waiting[limit] = waiting, {}
                    room -= len(waiting)
            elif room > 0:
                busiest = nlargest(room, waiting.items(), key=lambda item: item[1])
                told[limit] = dict(busiest)
                for key, _ in busiest:
                    del waiting[key]
                room = 0
        return told or None

    def hear(self, told: Any, now: float) -> None:
        """Spend what another worker granted.  What is not in the agreed shape is ignored."""
        if not isinstance(told, dict):
            return
        for limit, grants in told.items():
            table = self._tables.get(limit)
            if table is None or not isinstance(grants, dict):
                continue
            for key, amount in _plain(grants):
                table.spend(key, now, amount)
                self.heard += 1


def _plain(grants: dict[Any, Any]) -> Iterable[tuple[str, int]]:
    for key, amount in list(grants.items())[:KEYS_PER_REPORT_MAX]:
        if isinstance(key, str) and isinstance(amount, int) and amount > 0:
            yield key, amount
