"""Who has the least to do?

`LeastConnections` asks everybody.  `TwoChoices` asks two at random and takes the
idler (Mitzenmacher 2001): nearly as even, one look instead of all, and it does
not send the whole world to the endpoint that has just come up.  Load is always
taken relative to weight: an endpoint of weight 2 with four connections is as
busy as one of weight 1 with two.
"""

from collections.abc import Container, Sequence

from edge.common.balance.policy import NOBODY, Choice, Dice, Loads, Target, able


class LeastConnections:
    """The one with the fewest connections; ties go around."""

    name = "least-connections"

    def __init__(self) -> None:
        self._targets: list[Target] = []
        self._start = 0

    def set_endpoints(self, targets: Sequence[Target]) -> None:
        """Replace the set; the counts are the caller's."""
        self._targets = able(targets)

    def pick(
        self, key: bytes, loads: Loads, dice: Dice, exclude: Container[str] = NOBODY, now: float = 0.0
    ) -> Choice | None:
        """The least loaded that is not excluded."""
        count = len(self._targets)
        best: Target | None = None
        least = 0.0
        candidates = 0
        # With ties going to the first, all idle endpoints but one would stay idle
        # as long as work is short; so each look begins at another one.
        self._start += 1
        for step in range(count):
            target = self._targets[(self._start + step) % count]
            if target.name in exclude:
                continue
            candidates += 1
            load = loads(target.name) / target.weight
            if best is None or load < least:
                best, least = target, load
        if best is None:
            return None
        return Choice(best.name, f"fewest connections: {least:g} per weight, of {candidates}")

    def observe(self, name: str, latency_s: float, now: float) -> None:
        """Latency does not matter here."""


class TwoChoices:
    """The idler of two drawn at random."""

    name = "two-choices"

    def __init__(self) -> None:
        self._targets: list[Target] = []

    def set_endpoints(self, targets: Sequence[Target]) -> None:
        """Replace the set; the counts are the caller's."""
        self._targets = able(targets)

    def pick(
        self, key: bytes, loads: Loads, dice: Dice, exclude: Container[str] = NOBODY, now: float = 0.0
    ) -> Choice | None:
        """The idler of two distinct candidates, or the only one."""
        drawn = draw_two(self._targets, dice, exclude)
        if drawn is None:
            return None
        first, second = drawn
        if second is None:
            return Choice(first.name, "nobody else was left")
        load, other_load = loads(first.name) / first.weight, loads(second.name) / second.weight
        if other_load < load:
            first, second, load, other_load = second, first, other_load, load
        return Choice(first.name, f"{load:g} per weight against {other_load:g} at {second.name}")

    def observe(self, name: str, latency_s: float, now: float) -> None:
        """Latency does not matter here."""


def draw_two(
    targets: Sequence[Target], dice: Dice, exclude: Container[str]
) -> tuple[Target, Target | None] | None:
    """Two distinct targets, uniformly; one and None if there is only one; None if there is none."""
    if exclude is not NOBODY:
        targets = [target for target in targets if target.name not in exclude]
    count = len(targets)
    if count < 2:
        return (targets[0], None) if targets else None
    first = int(dice.random() * count)
    # Drawing from one fewer and stepping over the first needs no second try.
    second = int(dice.random() * (count - 1))
    return targets[first], targets[second + (second >= first)]
