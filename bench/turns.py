"""Run many phones in one thread; each says what its socket waits for.  [I/O]

A phone is a generator that yields `(descriptor, event mask)` and is resumed when
that is ready.  The load generator must cost less than what it loads, and nothing
of ours (Trio, the edge's own client) may stand on both sides of a measurement.
"""

import select
from collections.abc import Generator
from typing import TypeVar

IN, OUT = select.EPOLLIN, select.EPOLLOUT
EVENTS_MAX = 256
T = TypeVar("T")
Step = Generator[tuple[int, int], None, T]


class Turns:
    """Whose turn is it?"""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._masks: dict[int, int] = {}
        self._waiting: dict[int, Step[None]] = {}

    @property
    def under_way(self) -> int:
        """How many phones wait for something."""
        return len(self._waiting)

    def start(self, phone: Step[None]) -> None:
        """Let `phone` run until it waits."""
        try:
            descriptor, mask = next(phone)
        except StopIteration:
            return
        known = self._masks.get(descriptor)
        if known is None:
            self._epoll.register(descriptor, mask)
        elif known != mask:
            self._epoll.modify(descriptor, mask)
        self._masks[descriptor] = mask
        self._waiting[descriptor] = phone

    def turn(self, patience_s: float) -> None:
        """Resume everybody whose socket is ready; wait at most `patience_s` for the first."""
        # epoll counts in milliseconds, select in microseconds, and an epoll can be selected.
        if patience_s > 0 and not select.select([self._epoll], [], [], patience_s)[0]:
            return
        for descriptor, _ in self._epoll.poll(0, EVENTS_MAX):
            phone = self._waiting.pop(descriptor, None)
            if phone is not None:
                self.start(phone)
            else:
                # Said something unasked: the server has closed a connection nobody uses now.
                self.forget(descriptor)

    def forget(self, descriptor: int) -> None:
        """Before `descriptor` is closed."""
        if self._masks.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)
