"""What may be remembered about requests within so many bytes?

Phones choose freely what they send, so every memory of it has a bound, and the bound counts what Python
takes: a short header line is forty bytes of text and two hundred of objects.  Whoever remembers says what one
entry weighs; the first that came is the first to go, unless its owner moves it to the end at each use.

State: the entries and their weight.  Two threads may use one (the loop's and the one for what is dear): each
step holds by itself, and should both add at once, the weight is off by one entry until all are forgotten."""

from collections import OrderedDict
from collections.abc import Callable
from itertools import chain
from typing import Final, TypeVar

from edge.l7.waf.request import Headers

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

# CPython 3.11, 64 bits: what a bytes object, a tuple and an entry of an ordered dictionary take beside what
# is in them, with the allocator's rounding.
BYTES_OBJECT_BYTES: Final = 40
TUPLE_BYTES: Final = 64
ENTRY_BYTES: Final = 220


class Remembered(OrderedDict[_Key, _Value]):
    """A dictionary that forgets its first entries when all together weigh too much."""

    def __init__(self, bytes_max: int, weigh: Callable[[_Key, _Value], int]) -> None:
        super().__init__()
        self.bytes_max = bytes_max
        self.bytes = 0
        self._weigh = weigh

    def remember(self, key: _Key, value: _Value) -> None:
        """Keep a new entry, unless it alone would push out much of the rest."""
        size = ENTRY_BYTES + self._weigh(key, value)
        if size > self.bytes_max // 64 or key in self:
            return
        self[key] = value
        self.bytes += size
        while self.bytes > self.bytes_max and self:
            gone = self.popitem(last=False)
            self.bytes -= ENTRY_BYTES + self._weigh(*gone)

    def forget(self) -> None:
        """Begin anew."""
        self.clear()
        self.bytes = 0


def headers_bytes(headers: Headers) -> int:
    """What a block of header lines takes when nobody else keeps any of it."""
    per_line = TUPLE_BYTES + 2 * BYTES_OBJECT_BYTES + 8
    return TUPLE_BYTES + per_line * len(headers) + sum(map(len, chain.from_iterable(headers)))
