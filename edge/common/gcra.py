"""May this key do one more, at so many a second?

The generic cell rate algorithm (ITU-T I.371) keeps one number per key: the
theoretical arrival time, when the key would be through if everything it was
granted had been spread evenly.  A key may run ahead of it by `burst` intervals.
That equals a token bucket, needs no timer and no level to refill, and the wait
that it names is exact.

State: `_arrivals`, one float per key that is ahead of its rate, at most
`keys_max` (about 150 bytes each).  A key whose time has passed is as good as
unknown, so forgetting it changes nothing; only when all the keys we look at are
busy is one forgotten early, the one with the least to remember.
"""

# What one new key may cost when the table is full: so many old ones are looked at.
LOOKS_PER_INSERT = 8
# Sums of many intervals miss by a few units in the last place; a grant must not hang on that.
SLACK_S = 1e-9


class Gcra:
    """One rate, for any number of keys."""

    __slots__ = ("_arrivals", "_burst", "_keys_max", "forgotten_early", "interval_s", "room_s")

    def __init__(self, rate_per_s: float, burst: int, keys_max: int = 100_000) -> None:
        assert rate_per_s > 0
        assert burst >= 1
        assert keys_max >= 1
        self.interval_s = 1.0 / rate_per_s  # what one costs
        self.room_s = burst / rate_per_s  # how far ahead a key may be
        self._burst = burst
        self._keys_max = keys_max
        self._arrivals: dict[str, float] = {}
        self.forgotten_early = 0

    def __len__(self) -> int:
        return len(self._arrivals)

    def ahead_s(self, key: str, now: float) -> float:
        """How far `key` runs ahead of its rate; also when its burst will be whole again."""
        ahead = self._arrivals.get(key, 0.0) - now
        return ahead if ahead > 0.0 else 0.0

    def wait_s(self, key: str, now: float) -> float:
        """How long until `key` may do one more: 0.0 if it may at once.  Spends nothing."""
        wait = self.ahead_s(key, now) + self.interval_s - self.room_s
        return wait if wait > SLACK_S else 0.0

    def spend(self, key: str, now: float, amount: float = 1.0) -> float:
        """Count `amount` as done, granted or not, since what others granted to the same key also counts.

        Returns how far `key` is ahead now.
        """
        arrivals = self._arrivals
        arrival = arrivals.get(key)
        if arrival is None:
            if len(arrivals) >= self._keys_max:
                self._make_room(now)
            arrival = now
        elif arrival < now:
            arrival = now
        arrivals[key] = arrival = arrival + self.interval_s * amount
        return arrival - now

    def take(self, key: str, now: float) -> float:
        """Do one more if it may: 0.0 and it is spent, or the wait in seconds and nothing is."""
        wait = self.wait_s(key, now)
        if wait == 0.0:
            self.spend(key, now)
        return wait

    def remaining(self, key: str, now: float) -> int:
        """How many more at once."""
        return max(0, int((self.room_s - self.ahead_s(key, now) + SLACK_S) / self.interval_s))

    def _make_room(self, now: float) -> None:
        # A dict remembers the order of insertion.  Busy keys that are met on the way go to
        # its end, so the next call looks at others (the clock algorithm of page caches).
        arrivals = self._arrivals
        least_key, least = "", float("inf")
        for _ in range(min(LOOKS_PER_INSERT, len(arrivals))):
            key = next(iter(arrivals))
            arrival = arrivals.pop(key)
            if arrival <= now:
                return
            arrivals[key] = arrival
            if arrival < least:
                least_key, least = key, arrival
        del arrivals[least_key]
        self.forgotten_early += 1
