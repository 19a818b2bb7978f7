"""What if a new configuration takes long to prepare?  [I/O]

Rule files that have changed are compiled, which takes a second.  That is done beside the loop, and what
comes of it is put in place between two requests.

Revisions are used in the order in which they came.  One is prepared at a time, so that no two sets of rules
are in memory beside the one in use; of those that come meanwhile only the last one waits, because it says
everything that the others said.  One that cannot be used changes nothing.

State: the revision that waits.
"""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import trio

from edge.common.config import Config
from edge.common.errors import EdgeError

_Made = TypeVar("_Made")


class Renewal(Generic[_Made]):
    """Takes revisions at any time, and uses each when it is prepared."""

    def __init__(
        self,
        prepare: Callable[[Config], Awaitable[_Made]],
        use: Callable[[Config, str, _Made], None],
        failed: Callable[[str, EdgeError], None],
    ) -> None:
        self._prepare, self._use, self._failed = prepare, use, failed
        self._waiting: tuple[Config, str] | None = None
        self._came = trio.Event()

    def want(self, config: Config, revision: str) -> None:
        """Use this one next."""
        self._waiting = (config, revision)
        self._came.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._came.wait()
            self._came = trio.Event()
            if self._waiting is None:
                continue
            (config, revision), self._waiting = self._waiting, None
            try:
                self._use(config, revision, await self._prepare(config))
            except EdgeError as error:
                self._failed(revision, error)
