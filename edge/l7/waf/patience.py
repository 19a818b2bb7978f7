"""How long may the loop try an inspection itself, before it asks another thread?

What is dear cannot be told by looks, so the loop tries, and gives up what takes long.  The trial is then
lost, and everybody else has waited for it.  So trials in vain live on an allowance: a tenth of the time,
never more than one full trial saved up.  When it is spent, which takes an attack, long text goes to the
thread at once, and the rest is tried on credit, for a time in which ordinary requests are done.  The credit
is small, or a hundred attacks that arrive together would be tried in one go; a part of it is kept for
ordinary text, of which attacks are rarely made.

State: how much is left, and when that was true."""

from typing import Final

from edge.l7.waf.ordinary import are_ordinary
from edge.l7.waf.plan import COOKIE
from edge.l7.waf.request import WafRequest

# An unseen GET takes 0.1 ms, one in which every line is new half a millisecond, 4 kB of new JSON five.
TRIAL_S: Final = 0.001
POOR_TRIAL_S: Final = 0.0002
# What may be tried on credit; ordinary targets and forms are shorter.
POOR_BYTES_MAX: Final = 1024
CREDIT_S: Final = 0.001
ORDINARY_CREDIT_S: Final = 0.002
# Paid back in a twentieth of a second.
DEBT_S_MAX: Final = -0.005
SHARE: Final = 0.1


class Patience:
    """The allowance of one loop.  `now` is any clock that does not stop."""

    def __init__(self, now: float) -> None:
        self._left_s = TRIAL_S
        self._at = now

    def limit_s(self, head: WafRequest, body: bytes | None, now: float) -> float:
        """How long an inspection may be tried; 0: not at all."""
        if self._left_s < TRIAL_S:
            self._left_s = min(TRIAL_S, self._left_s + SHARE * (now - self._at))
            self._at = now
            if self._left_s < TRIAL_S:
                cookies = [value for name, value in head.headers if name == COOKIE]
                return self._on_credit_s([head.target, body or b"", *cookies])
        return TRIAL_S

    def _on_credit_s(self, texts: list[bytes]) -> float:
        if sum(map(len, texts)) > POOR_BYTES_MAX or self._left_s <= -ORDINARY_CREDIT_S:
            return 0.0
        if self._left_s <= -CREDIT_S and not are_ordinary(texts):
            return 0.0
        return max(POOR_TRIAL_S, self._left_s)

    def lost(self, began: float, now: float) -> None:
        """A trial that began then was given up now."""
        # What a trial took beyond reason was not its own: the machine stood still.
        self._left_s = max(DEBT_S_MAX, self._left_s - (now - began))
        self._at = now
