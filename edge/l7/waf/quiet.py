"""Which values have nothing to say, as far as we have seen?

Two requests of one phone rarely differ in everything: the session cookie, the path
and the names of arguments come again.  What no rule of a group could match once, no
rule of it can match ever, so such values need not be looked at again.

Only the quiet are remembered.  A value in which some rule might see something is
looked at each time, and an attack costs what it costs.

State: two generations of values, each at most `BYTES_MAX`; when the young one is full
it becomes the old one, which is forgotten unless asked for.
Measured on a head with a new query, a new cookie beside a session of 280 bytes: 226 us
an inspection without this memory, 143 us with it.
"""

from collections.abc import Iterable
from typing import Final

BYTES_MAX: Final = 384 * 1024
# What a value takes beside its own bytes: the object, its place in the set, and room to grow.
OBJECT_BYTES: Final = 120
# The text of a GraphQL query comes again and has some kilobytes.  A longer value is rarely seen twice, and
# a few of them would push out all others.
VALUE_BYTES_MAX: Final = 8192


class Quiet:
    """The memory of one group of rules."""

    __slots__ = ("_bytes", "_old", "_young")

    def __init__(self) -> None:
        self._young: set[bytes] = set()
        self._old: set[bytes] = set()
        self._bytes = 0

    def unknown(self, values: Iterable[bytes]) -> list[bytes]:
        """Those of `values` that have to be looked at, each once."""
        young, old = self._young, self._old
        fresh = list(dict.fromkeys([value for value in values if value not in young]))
        if not old or not fresh:
            return fresh
        still = [value for value in fresh if value not in old]
        if len(still) < len(fresh):
            self.learn([value for value in fresh if value in old])
        return still

    def learn(self, values: list[bytes]) -> None:
        """No rule has anything to say about any of `values`."""
        size = sum(map(len, values)) + OBJECT_BYTES * len(values)
        if size > VALUE_BYTES_MAX:
            values = [value for value in values if len(value) <= VALUE_BYTES_MAX]
            size = sum(map(len, values)) + OBJECT_BYTES * len(values)
        if size > BYTES_MAX // 2:
            return  # a thousand values that come together hardly come again
        if self._bytes + size > BYTES_MAX:
            self._old, self._young, self._bytes = self._young, set(), 0
        self._young.update(values)
        self._bytes += size
