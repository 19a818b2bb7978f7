"""Who lives, where, in which state, and who is banned?

The hub's memory, as one keeper: it takes what links say and returns what the
others must be told.  A process is a member from its `Hello` until its link ends
or it misses its beats (a frozen process keeps its link open, so the link alone
proves nothing).

What the operator decided (weights, bans) outlives a process and the hub: it is
part of `Durable`, which the shell writes to disk.  A hub that comes back also
remembers the names it knew, and says `gone` of those that did not rejoin within
a grace period.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from edge.common.messages import Ban, Bans, Beat, Member, Members

# More bans than this and the oldest to expire goes: an attacker with a million
# addresses must not fill the hub, and every L4 has its own limiter anyway.
BANS_MAX = 10_000


class Durable(msgspec.Struct, kw_only=True):
    """What a hub tells its successor."""

    known: list[str] = []
    weights: dict[str, int] = {}
    bans: list[Ban] = []
    revision: str = ""


@dataclass(slots=True)
class _Seat:
    member: Member
    link: int  # which conversation speaks for it: a late goodbye of an old one is ignored
    heard_at: float


@dataclass(slots=True)
class Membership:
    """Members by name; every change comes back as the `Members` to send to all."""

    dead_after_s: float
    durable: Durable = field(default_factory=Durable)
    _seats: dict[str, _Seat] = field(default_factory=dict)
    _missing_until: float | None = None

    def begin(self, now: float) -> None:
        """Start the grace period for those that the hub's predecessor knew."""
        self._missing_until = now + max(1.0, self.dead_after_s)

    def members(self) -> list[Member]:
        """Everybody, in order of joining."""
        return [seat.member for seat in self._seats.values()]

    def find(self, target: str) -> list[Member]:
        """The members that `target` means: a name, a tier, a service, a POP or "*"."""
        everybody = self.members()
        by_name = [member for member in everybody if member.name == target]
        if by_name or target == "*":
            return by_name or everybody
        return [member for member in everybody if target in (member.tier, member.service, member.pop)]

    def peers(self, name: str) -> list[str]:
        """The names of those who do the same work in the same POP, without `name` itself."""
        me = next((member for member in self.members() if member.name == name), None)
        if me is None:
            return []
        return [
            member.name
            for member in self.members()
            if (member.tier, member.pop) == (me.tier, me.pop) and member.name != name
        ]

    def join(self, member: Member, link: int, now: float, unix_now: float) -> Members:
        """Somebody says hello; the newest conversation speaks for a name."""
        seated = msgspec.structs.replace(
            member, weight=self.durable.weights.get(member.name, 100), since_unix=unix_now
        )
        self._seats[member.name] = _Seat(seated, link, now)
        if member.name not in self.durable.known:
            self.durable.known.append(member.name)
        return Members(changed=[seated])

    def beat(self, name: str, link: int, beat: Beat, now: float) -> Members | None:
        """Somebody lives; the others hear of it only where it changes their decisions."""
        seat = self._seats.get(name)
        if seat is None or seat.link != link:
            return None
        before = seat.member
        seat.heard_at = now
        seat.member = msgspec.structs.replace(
            before,
            state=beat.state,
            role=beat.role,
            epoch=beat.epoch,
            revision=beat.revision or before.revision,
            address=beat.address or before.address,
            load=beat.load,
        )
        decisive = ("state", "role", "epoch", "revision", "address")
        if all(getattr(before, part) == getattr(seat.member, part) for part in decisive):
            return None
        return Members(changed=[seat.member])

    def leave(self, name: str, link: int) -> Members | None:
        """A conversation ended; its member is gone unless it already has another one."""
        seat = self._seats.get(name)
        if seat is None or seat.link != link:
            return None
        return self._remove([name])

    def set_weight(self, names: Iterable[str], weight: int) -> Members:
        """The operator's word on how much new work each of `names` gets, in percent."""
        changed = []
        for name in names:
            self.durable.weights[name] = weight
            if weight == 100:
                del self.durable.weights[name]
            seat = self._seats.get(name)
            if seat is not None:
                seat.member = msgspec.structs.replace(seat.member, weight=weight)
                changed.append(seat.member)
        return Members(changed=changed)

    def ban(self, bans: list[Ban]) -> Bans:
        """Add bans; a longer one for the same network wins."""
        standing = {ban.network: ban for ban in self.durable.bans}
        added = []
        for ban in bans:
            known = standing.get(ban.network)
            if known is None or known.until_unix < ban.until_unix:
                standing[ban.network] = ban
                added.append(ban)
        kept = sorted(standing.values(), key=lambda ban: ban.until_unix, reverse=True)[:BANS_MAX]
        self.durable.bans = kept
        return Bans(add=added)

    def lift(self, networks: list[str]) -> Bans:
        """Forgive `networks`; "*" forgives everybody."""
        lifted = [ban.network for ban in self.durable.bans if ban.network in networks or "*" in networks]
        self.durable.bans = [ban for ban in self.durable.bans if ban.network not in lifted]
        return Bans(lift=lifted)

    def expire(self, now: float, unix_now: float) -> list[Members | Bans]:
        """What time has ended: silent members, members that never rejoined, spent bans."""
        told: list[Members | Bans] = []
        silent = [name for name, seat in self._seats.items() if now - seat.heard_at > self.dead_after_s]
        if self._missing_until is not None and now >= self._missing_until:
            self._missing_until = None
            silent += [name for name in self.durable.known if name not in self._seats]
        if silent:
            told.append(self._remove(silent))
        spent = [ban.network for ban in self.durable.bans if ban.until_unix <= unix_now]
        if spent:
            told.append(self.lift(spent))
        return told

    def _remove(self, names: list[str]) -> Members:
        for name in names:
            self._seats.pop(name, None)
            if name in self.durable.known:
                self.durable.known.remove(name)
        return Members(gone=names)
