"""Who follows whom?

Ten thousand accounts with some fifty ties each would be half a million rows.
They are a formula instead: tie number k leads from account i to
(a_k * i + b_k) mod n, with constants drawn from the seed.  Because every a_k is
invertible mod n, the question can be asked backwards too (who follows j?), and
neither direction is stored or searched.  An account uses as many ties as it is
sociable.  The six named accounts know each other besides.

State: the constants of `TIES_MAX` ties, and a bounded memory of who is sociable.
"""

import math
from functools import lru_cache

from edge.common.people import FIRST_NAMES
from services.chance import draw, share

TIES_MIN = 12
TIES_MAX = 90
SOCIABLE_MAX = 4096  # accounts, about half a megabyte


class Graph:
    """The social graph of accounts 1 to `accounts`."""

    def __init__(self, seed: int, accounts: int) -> None:
        self.seed = seed
        self.accounts = accounts
        self._sociability = lru_cache(maxsize=SOCIABLE_MAX)(self._drawn_sociability)
        self._ties = [self._tie(k) for k in range(TIES_MAX)]
        self._named = tuple(range(1, min(len(FIRST_NAMES), accounts) + 1))

    def knows(self, account: int) -> bool:
        """Is there such an account?"""
        return 1 <= account <= self.accounts

    def following(self, account: int) -> list[int]:
        """Whom `account` follows, in ascending order."""
        n, start = self.accounts, account - 1
        found = {(a * start + b) % n + 1 for a, _, b in self._ties[: self._sociability(account)]}
        if account in self._named:
            found.update(self._named)
        found.discard(account)
        return sorted(found)

    def followers(self, account: int) -> list[int]:
        """Who follows `account`, in ascending order."""
        n, end = self.accounts, account - 1
        found = set()
        for k, (_, inverse, b) in enumerate(self._ties):
            candidate = (end - b) * inverse % n + 1
            if k < self._sociability(candidate):
                found.add(candidate)
        if account in self._named:
            found.update(self._named)
        found.discard(account)
        return sorted(found)

    def follows(self, account: int, other: int) -> bool:
        """Does `account` follow `other`?"""
        if account == other:
            return False
        if account in self._named and other in self._named:
            return True
        n, start, end = self.accounts, account - 1, other - 1
        return any((a * start + b) % n == end for a, _, b in self._ties[: self._sociability(account)])

    def _drawn_sociability(self, account: int) -> int:
        # Squared, so that most know few and few know many.
        dice = share(self.seed, "sociability", account)
        return TIES_MIN + int((TIES_MAX - TIES_MIN) * dice * dice)

    def _tie(self, k: int) -> tuple[int, int, int]:
        n = self.accounts
        a = draw(self.seed, "tie", k) % n or 1
        while math.gcd(a, n) != 1:
            a = a % n + 1
        return a, pow(a, -1, n), draw(self.seed, "shift", k) % n
