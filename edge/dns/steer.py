"""Which POP is this phone sent to, and why?

To the nearest one by the great circle that is healthy.  When the nearest is not,
to the next, which then is the backup.  When none is, to all of them at once, in
order of distance: we may be wrong about their health, and a phone that tries
loses nothing (PowerDNS's `backupSelector` answers the same).  A phone whose place
we do not know is sent to the first healthy POP of the configuration's order.

`Steering` is built anew whenever the configuration or somebody's health changes,
so a choice is one sorted look-up and can be kept until then.

State: the distances from each place asked for so far, at most one list per city.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from edge.common.config import Place, PopConfig
from edge.common.places import City, distance_km
from edge.dns.health import UNKNOWN, Health

Reason = Literal["nearest", "backup", "default", "all-down"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One POP as seen from one place."""

    pop: str
    address: str
    distance_km: float | None  # None: we do not know where the phone is
    health: Health

    def text(self) -> str:
        """ "mumbai at 920 km", or only the name where no distance is known."""
        return self.pop if self.distance_km is None else f"{self.pop} at {self.distance_km:,.0f} km"


@dataclass(frozen=True, slots=True)
class Choice:
    """Where to send a phone; several only when no POP is healthy."""

    chosen: tuple[Candidate, ...]
    candidates: tuple[Candidate, ...]  # all of them, best first
    reason: Reason
    why: str


class Steering:
    """The POPs that speak one address family, with their health at one moment."""

    def __init__(self, pops: Sequence[PopConfig], health: Mapping[str, Health]) -> None:
        self._pops = tuple(pops)
        self._health = dict(health)
        self._choices: dict[str, Choice] = {}

    def choose(self, city: City | None) -> Choice | None:
        """Where a phone in `city` goes; None where there is no POP to go to."""
        if not self._pops:
            return None
        name = "" if city is None else city.name
        known = self._choices.get(name)
        if known is None:
            known = self._choices[name] = self._decide(city)
        return known

    def _decide(self, city: City | None) -> Choice:
        candidates = self._in_order(None if city is None else city.place)
        first = candidates[0]
        # "From Jaipur: mumbai at 920 km", and whoever was passed over on the way there.
        origin = f"from {city.title}" if city else "from an unknown place, in the configuration's order"
        for at, candidate in enumerate(candidates):
            if not candidate.health.healthy:
                continue
            if at:
                passed = "; ".join(f"{other.text()} has {other.health.why}" for other in candidates[:at])
                return Choice((candidate,), candidates, "backup", f"{origin}: {candidate.text()}; {passed}")
            reason: Reason = "nearest" if city else "default"
            rest = "".join(f", {other.text()}" for other in candidates[1:3])
            return Choice(
                (first,),
                candidates,
                reason,
                f"{origin}: {first.text()}" + (f"; then{rest[1:]}" if rest else ""),
            )
        return Choice(candidates, candidates, "all-down", f"{origin}: no POP is healthy, so all of them")

    def _in_order(self, place: Place | None) -> tuple[Candidate, ...]:
        candidates = [
            Candidate(
                pop.name,
                pop.address,
                None if place is None else distance_km(place, pop.place),
                self._health.get(pop.name, UNKNOWN),
            )
            for pop in self._pops
        ]
        if place is not None:
            # Of two equally far the one that the configuration names first: sort is stable.
            candidates.sort(key=lambda candidate: candidate.distance_km or 0.0)
        return tuple(candidates)
