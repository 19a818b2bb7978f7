"""Into which group does this key fall?

By hash: the same key always falls to the same place between 0 and 1, salted per
experiment so that being in one says nothing about another.  Groups are
consecutive stretches of that line, in the order of the configuration; when a
percentage changes only those near a border move.
"""

from collections.abc import Mapping
from hashlib import blake2b

_SPAN = float(2**64)


def place(salt: str, key: str) -> float:
    """Where `key` falls, in [0, 1): uniform, and the same in every process."""
    digest = blake2b(key.encode(), digest_size=8, key=salt.encode()[:64], person=b"edge experiment").digest()
    return int.from_bytes(digest, "big") / _SPAN


def group_at(weights: Mapping[str, float], where: float) -> str:
    """The group whose stretch covers `where`; "" where all weights are 0."""
    total = sum(weights.values())
    if total <= 0.0:
        return ""
    reached = 0.0
    last = ""
    for name, weight in weights.items():
        if weight > 0.0:
            reached += weight / total
            last = name
            if where < reached:
                return name
    return last  # rounding left a sliver at the end
