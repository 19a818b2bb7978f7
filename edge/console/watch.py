"""Watch the edge for whoever looks, and cost nothing while nobody does.  [I/O]

One task asks, everybody who looks gets the same answers.  Each viewer has a bounded
channel; one that does not read misses pictures instead of holding up the others.
"""

import time
from typing import Any

import orjson
import trio

from edge.common.errors import LinkLost
from edge.common.process import Process
from edge.console import view

PICTURE_S = 0.5
# Metrics are the dearest question (a snapshot of every counter of every process).
METRICS_EVERY = 4
RECENT_MAX = 40  # sampled requests per worker and picture
VIEWERS_MAX = 32
BACKLOG = 8
EVENTS_MAX = 100


class Watch:
    """The picture of the edge, kept fresh while somebody looks."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._viewers: set[trio.MemorySendChannel[bytes]] = set()
        self._somebody = trio.Event()
        self._before: dict[str, Any] = {}
        self._after: dict[str, Any] = {}
        self._seconds = 1.0
        self._looked_at = 0.0
        self._recent_ns = time.monotonic_ns()
        self._event_number = 0

    async def run(self) -> None:
        """Ask while somebody looks, until cancelled."""
        turn = 0
        while True:
            if not self._viewers:
                self._somebody = trio.Event()
                await self._somebody.wait()
                turn = 0
            picture = await self.picture(with_metrics=turn % METRICS_EVERY == 0)
            turn += 1
            data = b"data: " + orjson.dumps(picture) + b"\n\n"
            for viewer in list(self._viewers):
                try:
                    viewer.send_nowait(data)
                except (trio.WouldBlock, trio.BrokenResourceError, trio.ClosedResourceError):
                    pass  # a viewer that is slow sees the next one
            await trio.sleep(PICTURE_S)

    def join(self) -> tuple[trio.MemorySendChannel[bytes], trio.MemoryReceiveChannel[bytes]] | None:
        """A channel of pictures for one viewer, None where there are enough of them."""
        if len(self._viewers) >= VIEWERS_MAX:
            return None
        send, receive = trio.open_memory_channel[bytes](BACKLOG)
        self._viewers.add(send)
        self._somebody.set()
        return send, receive

    def leave(self, viewer: trio.MemorySendChannel[bytes]) -> None:
        """The viewer has gone."""
        self._viewers.discard(viewer)
        viewer.close()

    async def picture(self, *, with_metrics: bool = True) -> dict[str, Any]:
        """Everything that a page shows, now."""
        link = self._process.link
        answers: dict[str, Any] = {}

        async def ask(topic: str, **args: Any) -> None:
            try:
                answers[topic] = await link.ask(topic, timeout_s=0.4, **args)
            except LinkLost as error:
                answers["away"] = str(error)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, "stats")
            nursery.start_soon(ask, "faults")
            nursery.start_soon(lambda: ask("recent", after_ns=self._recent_ns, limit=RECENT_MAX))
            nursery.start_soon(lambda: ask("journal", after=self._event_number))
            if with_metrics:
                nursery.start_soon(ask, "metrics")
        if "metrics" in answers:
            now = time.monotonic()
            self._before, self._after = self._after, answers["metrics"]
            self._seconds, self._looked_at = max(0.1, now - self._looked_at), now
        recent = [
            {**one, "worker": name}
            for name, found in answers.get("recent", {}).items()
            for one in found or ()
        ]
        recent.sort(key=lambda one: int(one["end_ns"]))
        if recent:
            self._recent_ns = recent[-1]["end_ns"]
        events = answers.get("journal", [])[-EVENTS_MAX:]
        if events:
            self._event_number = events[-1]["number"]
        stats = answers.get("stats", {})
        return {
            "unix": time.time(),
            "connected": link.connected and "away" not in answers,
            "rows": view.rows(
                link.members.values(),
                self._before,
                self._after,
                self._seconds,
                stats,
                answers.get("faults", {}),
            ),
            "faults": [
                {"at": name, **fault}
                for name, found in sorted(answers.get("faults", {}).items())
                for fault in found or ()
            ],
            "recent": recent,
            "events": events,
            "bans": [ban.network for ban in link.bans],
        }
