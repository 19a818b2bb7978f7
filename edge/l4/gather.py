"""Wake up for each connection, or look now and then?

A wake-up of a Python event loop costs as much as serving three connections.  Above
`BUSY_PER_S` admitted connections a second the accepting task therefore looks when
about `GATHER_COUNT` should have come, as a network card coalesces its interrupts,
and nobody waits longer than `GATHER_S_MAX` for it.  Below, everybody is served at
once.  Refused connections do not count, so a flood cannot make anybody wait.

State: one count over windows of `WINDOW_S`; the window before decides over this one.
"""

WINDOW_S = 0.05
BUSY_PER_S = 500
GATHER_COUNT = 8
GATHER_S_MAX = 0.004


class Gather:
    """How long to gather before the next look."""

    def __init__(self) -> None:
        self.busy = False
        self._pause_s = 0.0
        self._ends = 0.0
        self._count = 0

    def pause_s(self, admitted: int, now: float) -> float:
        """`admitted` came since the last call; 0 says to be woken for the next one."""
        self._count += admitted
        if now >= self._ends:
            # A silence longer than a window says that nothing is to be gathered.
            in_time = now < self._ends + WINDOW_S
            self.busy = in_time and self._count >= BUSY_PER_S * WINDOW_S
            self._pause_s = min(GATHER_S_MAX, GATHER_COUNT * WINDOW_S / self._count) if self.busy else 0.0
            self._count = 0
            self._ends = now + WINDOW_S
        return self._pause_s
