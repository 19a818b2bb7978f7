"""Which endpoint does this flow belong to, when nobody remembers?

Maglev hashing (Eisenbud et al., NSDI 2016, section 3.4): each endpoint walks the
table's slots in an order of its own and they take turns to claim the next free
one.  The table is nearly even, and removing an endpoint moves few flows that
were not its own.  Everybody who knows the same names and weights builds the same
table, so a standby, or an L4 that lost its memory, sends a flow to the same place.

`Maglev` follows the table.  `BoundedMaglev` walks on to the next slot's owner
while the first is above `BOUND` times its fair share of the load (Mirrokni,
Thorup and Zadimoghaddam 2016), trading some affinity for a full worker.

State: one table of 65537 slots, 2 bytes each, and the last few tables, because
an endpoint that flaps brings back a set that was here a moment ago.
"""

from array import array
from collections.abc import Container, Sequence
from hashlib import blake2b

from edge.common.balance.policy import NOBODY, Choice, Dice, Loads, Target, able

SLOTS = 65537  # prime, and at least 100 times the endpoints; Envoy's and Katran's
BOUND = 1.25  # HAProxy's hash-balance-factor is 125 to 200, Envoy's 120 to 200
TABLES_REMEMBERED = 8  # 130 KB each


def hash64(data: bytes, purpose: bytes) -> int:
    """The same on every machine and in every process, unlike `hash()`."""
    return int.from_bytes(blake2b(data, digest_size=8, person=purpose).digest(), "little")


def build_table(targets: Sequence[Target], slots: int = SLOTS) -> "array[int]":
    """For each slot the index of the target that owns it.

    `slots` is prime and not smaller than the number of targets, which is not zero.
    """
    assert 0 < len(targets) <= min(slots, 65535), "Maglev needs somebody to choose, and more slots than them"
    heaviest = max(target.weight for target in targets)
    # Pseudocode 1 of the paper, with Envoy's way of weighting: an endpoint sits out
    # the rounds its weight does not pay for.
    places = [hash64(target.name.encode(), b"maglev offset") % slots for target in targets]
    skips = [hash64(target.name.encode(), b"maglev skip") % (slots - 1) + 1 for target in targets]
    paid = [0.0] * len(targets)
    weights = [target.weight / heaviest for target in targets]
    owners = array("H", bytes(2 * slots))
    free = bytearray(b"\x01") * slots
    left = slots
    while True:
        for index, weight in enumerate(weights):
            if weight < 1.0:
                paid[index] += weight
                if paid[index] < 1.0:
                    continue
                paid[index] -= 1.0
            place, skip = places[index], skips[index]
            while not free[place]:
                place += skip
                if place >= slots:
                    place -= slots
            places[index] = place
            free[place] = 0
            owners[place] = index
            left -= 1
            if not left:
                return owners


class Maglev:
    """By the hash of the flow's key."""

    name = "hash"

    def __init__(self, slots: int = SLOTS) -> None:
        self._slots = slots
        self._targets: list[Target] = []
        self._table: array[int] = array("H")
        self._remembered: dict[tuple[Target, ...], array[int]] = {}

    def set_endpoints(self, targets: Sequence[Target]) -> None:
        """Build the table; the order in which targets are named does not matter."""
        self._targets = sorted(able(targets))
        self._table = self._table_of(tuple(self._targets)) if self._targets else array("H")

    def pick(
        self, key: bytes, loads: Loads, dice: Dice, exclude: Container[str] = NOBODY, now: float = 0.0
    ) -> Choice | None:
        """The owner of the key's slot, or of the next slot whose owner is not excluded."""
        if not self._table:
            return None
        slot = self.slot_of(key)
        owner = self._targets[self._table[slot]].name
        if exclude is NOBODY or owner not in exclude:
            return Choice(owner, f"owns slot {slot} of {self._slots}")
        for target in self._next_owners(slot):
            if target.name not in exclude:
                return Choice(target.name, f"next after {owner} at slot {slot} of {self._slots}")
        return None

    def observe(self, name: str, latency_s: float, now: float) -> None:
        """Latency does not matter here."""

    def slot_of(self, key: bytes) -> int:
        """The slot of a flow."""
        return hash64(key, b"maglev key") % self._slots

    def shares(self) -> dict[str, float]:
        """The share of the slots that each endpoint owns."""
        counts = [0] * len(self._targets)
        for owner in self._table:
            counts[owner] += 1
        return {target.name: counts[n] / self._slots for n, target in enumerate(self._targets)}

    def moved_without(self, name: str) -> tuple[float, float]:
        """If `name` left: the share of slots that is its own, and of others' slots that would move."""
        rest = [target for target in self._targets if target.name != name]
        owned = self.shares().get(name, 0.0)
        if not rest or owned == 0.0:
            return owned, 0.0
        after = self._table_of(tuple(rest))
        names, names_after = [t.name for t in self._targets], [t.name for t in rest]
        moved = sum(
            1
            for old, new in zip(self._table, after, strict=True)
            if names[old] != name and names[old] != names_after[new]
        )
        return owned, moved / self._slots

    def _table_of(self, targets: tuple[Target, ...]) -> "array[int]":
        table = self._remembered.pop(targets, None)
        if table is None:
            table = build_table(targets, self._slots)
        self._remembered[targets] = table
        while len(self._remembered) > TABLES_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        return table

    def _next_owners(self, slot: int) -> list[Target]:
        """Every target once, in the order in which the slots from `slot` on name them."""
        seen: dict[int, None] = {}
        for step in range(self._slots):
            seen.setdefault(self._table[(slot + step) % self._slots])
            if len(seen) == len(self._targets):
                break
        return [self._targets[index] for index in seen]


class BoundedMaglev(Maglev):
    """By the hash, unless its owner has too much to do already."""

    name = "bounded-hash"

    def pick(
        self, key: bytes, loads: Loads, dice: Dice, exclude: Container[str] = NOBODY, now: float = 0.0
    ) -> Choice | None:
        """The first owner from the key's slot on that is under its bound."""
        here = [target for target in self._targets if target.name not in exclude]
        if not here:
            return None
        # One more than now: the connection that is being placed counts as well, so
        # the bounds always leave room for it.
        total = sum(loads(target.name) for target in here) + 1.0
        room = BOUND * total / sum(target.weight for target in here)
        slot = self.slot_of(key)
        first = self._targets[self._table[slot]]
        if first.name not in exclude and loads(first.name) + 1.0 <= max(1.0, room * first.weight):
            return Choice(first.name, f"owns slot {slot} of {self._slots}")
        for target in self._next_owners(slot):
            if target.name not in exclude and loads(target.name) + 1.0 <= max(1.0, room * target.weight):
                return Choice(
                    target.name, f"next with room after {first.name} at slot {slot} of {self._slots}"
                )
        # Rounding can leave nobody under a bound; then the emptiest is as near as it gets.
        emptiest = min(here, key=lambda target: loads(target.name) / target.weight)
        return Choice(emptiest.name, "the emptiest: nobody is under the bound")
