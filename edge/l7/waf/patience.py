"""How long may the loop try an inspection itself, before it asks another thread?

What is dear cannot be told by looks, so the loop tries, and gives up what takes long.  The trial is then
lost, and everybody else has waited for it.  So trials in vain live on an allowance: a tenth of the time,
never more than one full trial saved up.  When it is spent, which takes an attack, the loop still tries what
is ordinary, for a time in which ordinary requests are done; long text goes to the thread at once.

State: how much is left, and when that was true."""

from typing import Final

# An unseen GET takes 0.1 ms, one in which every line is new half a millisecond, 4 kB of new JSON five.
TRIAL_S: Final = 0.001
POOR_TRIAL_S: Final = 0.0002
# What may be tried once the allowance is spent; ordinary targets and forms are shorter.
POOR_BYTES_MAX: Final = 1024
SHARE: Final = 0.1


class Patience:
    """The allowance of one loop.  `now` is any clock that does not stop."""

    def __init__(self, now: float) -> None:
        self._left_s = TRIAL_S
        self._at = now

    def limit_s(self, size: int, now: float) -> float:
        """How long an inspection of `size` new bytes may be tried; 0: not at all."""
        if self._left_s < TRIAL_S:
            self._left_s = min(TRIAL_S, self._left_s + SHARE * (now - self._at))
            self._at = now
            if self._left_s < TRIAL_S:
                return 0.0 if size > POOR_BYTES_MAX else max(POOR_TRIAL_S, self._left_s)
        return TRIAL_S

    def lost(self, began: float, now: float) -> None:
        """A trial that began then was given up now."""
        self._left_s = max(0.0, self._left_s - (now - began))
        self._at = now
