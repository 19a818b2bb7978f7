"""Whose turn is it?

`RoundRobin` goes around.  `SmoothWeighted` is the algorithm that nginx has used
since 2012: at each pick every candidate gains its weight, the richest is chosen
and pays the sum of all weights.  In any period of that sum each endpoint is
chosen exactly `weight` times, and a heavy one is spread over the period instead
of being hit in a row: 5, 1, 1 gives a a b a c a a.

State: one number an endpoint.  A pick looks at each endpoint once; an edge has
fewer of them than a heap would need to pay for itself.
"""

from collections.abc import Container, Sequence

from edge.common.balance.policy import NOBODY, Choice, Dice, Loads, Target, able


class RoundRobin:
    """Each in turn; weights only say who takes part."""

    name = "round-robin"

    def __init__(self) -> None:
        self._names: list[str] = []
        self._next = 0
        self._why = ""

    def set_endpoints(self, targets: Sequence[Target]) -> None:
        """Go on after whoever was last, as far as they are still here."""
        upcoming = self._names[self._next :] + self._names[: self._next]
        self._names = [target.name for target in able(targets)]
        self._next = next((self._names.index(name) for name in upcoming if name in self._names), 0)
        self._why = f"its turn, of {len(self._names)}"

    def pick(
        self, key: bytes, loads: Loads, dice: Dice, exclude: Container[str] = NOBODY, now: float = 0.0
    ) -> Choice | None:
        """The next that is not excluded."""
        count = len(self._names)
        for step in range(count):
            place = (self._next + step) % count
            if self._names[place] not in exclude:
                self._next = (place + 1) % count
                return Choice(self._names[place], self._why)
        return None

    def observe(self, name: str, latency_s: float, now: float) -> None:
        """Latency does not matter here."""


class _Turn:
    __slots__ = ("choice", "credit", "name", "weight")

    def __init__(self, target: Target, credit: float, why: str) -> None:
        self.name = target.name
        self.weight = target.weight
        self.credit = credit
        self.choice = Choice(target.name, why)


class SmoothWeighted:
    """Each as often as its weight says, evenly spread."""

    name = "weighted"

    def __init__(self) -> None:
        self._turns: list[_Turn] = []
        self._total = 0.0

    def set_endpoints(self, targets: Sequence[Target]) -> None:
        """Keep the credit of those who stay, up to one turn of theirs."""
        takers = able(targets)
        self._total = sum(target.weight for target in takers)
        # A credit counts in the weights of the old set.  Carried over whole, a drop
        # from weight 100 to 1 would be a debt of a hundred turns.
        held = {turn.name: turn.credit for turn in self._turns}
        kept = {t.name: max(-t.weight, min(t.weight, held.get(t.name, 0.0))) for t in takers}
        # Credits always sum to zero.  Whoever left took some along; without the
        # correction the others would be owed turns, or owe them, for ever.
        surplus = sum(kept.values()) / max(1, len(takers))
        self._turns = [
            _Turn(
                target,
                kept[target.name] - surplus,
                f"its turn by weight {target.weight:g} of {self._total:g}, among {len(takers)}",
            )
            for target in takers
        ]

    def pick(
        self, key: bytes, loads: Loads, dice: Dice, exclude: Container[str] = NOBODY, now: float = 0.0
    ) -> Choice | None:
        """The candidate with the most credit; on a tie the first."""
        best: _Turn | None = None
        total = self._total
        for turn in self._turns:
            if exclude is not NOBODY and turn.name in exclude:
                total -= turn.weight
                continue
            turn.credit += turn.weight
            if best is None or turn.credit > best.credit:
                best = turn
        if best is None:
            return None
        best.credit -= total
        return best.choice

    def observe(self, name: str, latency_s: float, now: float) -> None:
        """Latency does not matter here."""
