"""Many messages, one commit.  [I/O]

A commit that reaches the disk costs the same for one message as for sixty.  So
senders queue up, and one task stores whatever waits in one transaction, in a
thread, and wakes them when it is on disk (group commit, as PostgreSQL and every
journal does it).
"""

from dataclasses import dataclass, field

import trio

from edge.common.errors import EdgeError
from services.dm.store import Store, StoreFailed
from services.dm.threads import Item

BATCH_MAX = 64
WAITING_MAX = 512  # at some 0.5 ms a commit, this many wait for milliseconds


class Overfull(EdgeError):
    """More senders are waiting than could be served soon."""

    blame = "service"
    retryable = True
    status_hint = 503


@dataclass(slots=True, eq=False)
class _Waiting:
    item: Item
    done: trio.Event = field(default_factory=trio.Event)
    stored: Item | None = None
    failure: StoreFailed | None = None


class Writer:
    """The only one in this process who writes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._put, self._take = trio.open_memory_channel[_Waiting](WAITING_MAX)
        self.commits = 0

    async def store(self, item: Item) -> Item:
        """Return once `item` is on disk.  Raises `StoreFailed` or `Overfull`.

        A caller that is cancelled meanwhile leaves its item behind; it may be
        stored all the same, which is what `context` is for.
        """
        waiting = _Waiting(item)
        try:
            self._put.send_nowait(waiting)
        except trio.WouldBlock:
            raise Overfull(f"{WAITING_MAX} messages are waiting to be stored") from None
        await waiting.done.wait()
        if waiting.failure is not None:
            raise waiting.failure
        assert waiting.stored is not None
        return waiting.stored

    async def run(self) -> None:
        """Store what comes until cancelled."""
        async for first in self._take:
            batch = [first]
            while len(batch) < BATCH_MAX:
                try:
                    batch.append(self._take.receive_nowait())
                except trio.WouldBlock:
                    break
            try:
                stored = await trio.to_thread.run_sync(
                    self._store.append, [waiting.item for waiting in batch]
                )
            except StoreFailed as failure:
                for waiting in batch:
                    waiting.failure = failure
            else:
                for waiting, item in zip(batch, stored, strict=True):
                    waiting.stored = item
            self.commits += 1
            for waiting in batch:
                waiting.done.set()
