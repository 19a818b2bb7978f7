"""What has happened in the edge lately?

A bounded list of events with rising numbers, so that a reader can ask for what
came after the last one it saw.
"""

from collections import deque
from typing import Any

ENTRIES_MAX = 2000


class Journal:
    """The latest events, oldest first."""

    def __init__(self) -> None:
        self._entries: deque[dict[str, Any]] = deque(maxlen=ENTRIES_MAX)
        self._last = 0

    def add(self, unix_now: float, event: str, name: str, detail: str) -> None:
        """Write one event down."""
        self._last += 1
        self._entries.append(
            {"number": self._last, "unix": unix_now, "event": event, "name": name, "detail": detail}
        )

    def entries(self, after: int = 0) -> list[dict[str, Any]]:
        """The events numbered higher than `after`."""
        return [entry for entry in self._entries if entry["number"] > after]
