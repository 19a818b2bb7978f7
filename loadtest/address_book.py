"""Where did DNS send this phone, and is that still good?

What every phone's stub resolver does: an answer is used until its TTL has
passed, then asked for again.  Two rules make the difference when something
breaks: an address that did not answer is forgotten at once instead of at the end
of its TTL, and when the name server itself is silent the last known answer is
better than none (RFC 8767).

State: one answer.
"""

# RFC 8767 section 5 suggests one to three days; a load test does not last so long.
STALE_S_MAX = 86_400.0


class AddressBook:
    """The addresses of one name, for one phone."""

    def __init__(self) -> None:
        self._addresses: tuple[str, ...] = ()
        self._learnt_at = 0.0
        self._until = 0.0
        self._failed: set[str] = set()

    def fresh(self, now: float) -> tuple[str, ...]:
        """Addresses that may be used without asking; empty: ask."""
        return self._in_order() if now < self._until else ()

    def stale(self, now: float) -> tuple[str, ...]:
        """What was last known, for when nobody answers; empty: nothing, or too long ago."""
        return self._in_order() if now - self._learnt_at < STALE_S_MAX else ()

    def learn(self, addresses: tuple[str, ...], ttl_s: float, now: float) -> None:
        """The name server answered."""
        self._addresses = addresses
        self._learnt_at = now
        self._until = now + ttl_s
        self._failed &= set(addresses)

    def forget(self, address: str) -> None:
        """Nobody answered at `address`: ask again, and try it last."""
        self._failed.add(address)
        self._until = 0.0

    def worked(self, address: str) -> None:
        """Somebody answered at `address`."""
        self._failed.discard(address)

    def _in_order(self) -> tuple[str, ...]:
        # False sorts before True: those that did not fail come first, otherwise as the server said.
        return tuple(sorted(self._addresses, key=lambda address: address in self._failed))
