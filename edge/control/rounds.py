"""What did everybody say to one question or command?  [I/O]

A round sends one request to several processes under a number of its own and
gathers what comes back in time.  Whoever stays silent delays the round, at most
until its timeout, and is simply missing from the result.
"""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import trio


@dataclass(eq=False, slots=True)
class _Round:
    missing: set[str]
    replies: dict[str, Any] = field(default_factory=dict)
    done: trio.Event = field(default_factory=trio.Event)


class Rounds:
    """The rounds that are under way; each lives no longer than its timeout."""

    def __init__(self) -> None:
        self._rounds: dict[str, _Round] = {}
        self._numbers = itertools.count(1)

    async def gather(
        self, names: Iterable[str], send: Callable[[str, str], None], timeout_s: float
    ) -> dict[str, Any]:
        """Call `send(name, number)` for each of `names`; what they replied within `timeout_s`."""
        gathering = _Round(missing=set(names))
        number = f"hub-{next(self._numbers)}"
        self._rounds[number] = gathering
        try:
            for name in sorted(gathering.missing):
                send(name, number)
            with trio.move_on_after(timeout_s):
                if gathering.missing:
                    await gathering.done.wait()
        finally:
            del self._rounds[number]
        return gathering.replies

    def reply(self, number: str, name: str, value: Any) -> None:
        """Somebody answered; an answer to a round that is over is dropped."""
        gathering = self._rounds.get(number)
        if gathering is None:
            return
        gathering.replies[name] = value
        gathering.missing.discard(name)
        if not gathering.missing:
            gathering.done.set()
