"""Where do the other services live?

By the hub's word: every live member of the service.  Before its first word, or
when it knows none, by the configuration's fixed ports.  What was known is kept
when the hub goes away.

A service whose last copy left a moment ago is being replaced: it `returns_soon`,
and a caller with time left does better to wait.

Turns are taken round robin; a caller whose first choice did not answer names it
in `exclude` and gets another one.
"""

from collections.abc import Collection, Iterable

from edge.common.config import Config
from edge.common.messages import Member

Address = tuple[str, int]

HOST = "127.0.0.1"
# Longer than a supervisor takes to replace a process on a busy machine.
RETURN_S = 2.0


class Neighbours:
    """Addresses by service, and whose turn it is."""

    def __init__(self, config: Config) -> None:
        self._fixed = _fixed(config)
        self._live: dict[str, list[Address]] = {}
        self._turn: dict[str, int] = {}
        self._left_at: dict[str, float] = {}

    def update(self, members: Iterable[Member], now: float = 0.0) -> None:
        """Learn all members the hub knows of."""
        live: dict[str, list[Address]] = {}
        for member in sorted(members, key=lambda member: member.name):
            if member.tier == "service" and member.state == "live" and member.weight > 0:
                host, _, port = member.address.rpartition(":")
                if host and port.isdigit():
                    live.setdefault(member.service, []).append((host, int(port)))
        for service in self._live.keys() - live.keys():
            self._left_at[service] = now
        self._live = live

    def reconfigure(self, config: Config) -> None:
        """Fixed ports may have changed."""
        self._fixed = _fixed(config)

    def returns_soon(self, service: str, now: float) -> bool:
        """Did the last copy of `service` leave only a moment ago?"""
        left_at = self._left_at.get(service)
        return left_at is not None and service not in self._live and now - left_at < RETURN_S

    def addresses(self, service: str) -> list[Address]:
        """Every instance of `service` that may be asked."""
        return self._live.get(service) or self._fixed.get(service, [])

    def pick(self, service: str, exclude: Collection[Address] = ()) -> Address | None:
        """The instance whose turn it is; None when there is none but the excluded."""
        known = self.addresses(service)
        turn = self._turn.get(service, 0)
        for step in range(len(known)):
            address = known[(turn + step) % len(known)]
            if address not in exclude:
                if not exclude:
                    # A second try takes nobody's turn, else the next first try would
                    # meet the dead instance again, and the one after that too.
                    self._turn[service] = (turn + step + 1) % len(known)
                return address
        return None


def _fixed(config: Config) -> dict[str, list[Address]]:
    return {
        service.name: [(HOST, service.port + n) for n in range(service.instances)]
        for service in config.service
        if service.port
    }
