"""The slow and obvious versions of the balancing policies.

`maglev_table` is pseudocode 1 of Eisenbud et al., "Maglev: A Fast and Reliable
Software Network Load Balancer" (NSDI 2016), written down literally, permutations
and all.  `smooth_sequence` looks for the schedule by keeping exact fractions.
"""

from fractions import Fraction


def maglev_table(permutation: list[list[int]], slots: int) -> list[int]:
    """`permutation[i]` is backend i's order of preference over all slots."""
    next_ = [0] * len(permutation)
    entry = [-1] * slots
    filled = 0
    while True:
        for i in range(len(permutation)):
            c = permutation[i][next_[i]]
            while entry[c] >= 0:
                next_[i] += 1
                c = permutation[i][next_[i]]
            entry[c] = i
            next_[i] += 1
            filled += 1
            if filled == slots:
                return entry


def smooth_sequence(weights: list[int], picks: int) -> list[int]:
    """Whom smooth weighted round robin picks, by what each has been owed and given so far."""
    total = sum(weights)
    given = [0] * len(weights)
    order = []
    for turn in range(1, picks + 1):
        owed = [Fraction(weight * turn, total) - had for weight, had in zip(weights, given, strict=True)]
        chosen = max(range(len(weights)), key=lambda n: (owed[n], -n))
        given[chosen] += 1
        order.append(chosen)
    return order


def least_loaded(loads: dict[str, float], weights: dict[str, float]) -> set[str]:
    """Everybody who may be called the least loaded."""
    relative = {name: loads.get(name, 0.0) / weight for name, weight in weights.items() if weight > 0}
    least = min(relative.values(), default=0.0)
    return {name for name, load in relative.items() if load == least}
