"""What does chance say about this thing, every time the same?

The mock world (who follows whom, who posts when) is not stored anywhere: it is
a function of the seed.  `draw` is that function: 64 bits out of a seed and the
names of things, equal in every process and on every day.
"""

import hashlib

_SCALE = 1 << 64


def draw(seed: int, *names: int | str) -> int:
    """64 even bits for these names."""
    text = "/".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def share(seed: int, *names: int | str) -> float:
    """A number in [0, 1) for these names."""
    return draw(seed, *names) / _SCALE
