"""Which endpoints may be connected to, as far as we were told?

By the hub, which says who lives and where; before its first word, by the notes of the
supervisor that bound their sockets.  Where nobody is live all that were ever heard of
are used: sockets outlive who serves them, so a connection waits there for the restart,
and an L4 that loses the hub goes on with what it knew.

State: two small tables, of one tier of one POP; owned by the task of the control link.
"""

from collections.abc import Iterable

import orjson

from edge.common.messages import Member
from edge.l4.addresses import host_and_port

Address = tuple[str, int]


class Roster:
    """The endpoints of one tier, at one POP if the tier has POPs."""

    def __init__(self, tier: str, pop: str = "", noted: dict[str, Address] | None = None) -> None:
        self._tier = tier
        self._pop = pop
        self._known = dict(noted or {})
        self._live = set(self._known)

    def take(self, changed: Iterable[Member], gone: Iterable[str]) -> None:
        """What the hub says of members, ours or not."""
        for member in changed:
            address = host_and_port(member.address)
            if (member.tier, member.pop) != (self._tier, self._pop) or address is None:
                continue
            self._known[member.name] = address
            if member.state == "live" and member.weight > 0:
                self._live.add(member.name)
            else:
                self._live.discard(member.name)
        self._live.difference_update(gone)

    def usable(self) -> dict[str, Address]:
        """Addresses by name: of those that are live, or of all if none is."""
        names = self._live or self._known.keys()
        return {name: address for name, address in self._known.items() if name in names}


def noted(data: bytes, key: str, prefix: str = "") -> dict[str, Address]:
    """The sockets called `key` in a supervisor's notes (`run/listen/<tier>.json`), by process name."""
    try:
        places = orjson.loads(data)
        found = {name: host_and_port(place.get(key, "")) for name, place in places.items()}
    except (ValueError, AttributeError):
        return {}  # half written, or not ours
    return {
        name: address for name, address in found.items() if address is not None and name.startswith(prefix)
    }
