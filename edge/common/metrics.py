"""How many, how much, how long?

A counter on the hot path is `child.value += 1` on a plain object: no lock, no
label look-up, no call.  Text exposition happens only when somebody asks, in
another process (`edge.cli`, the console), from the plain values that
`Registry.snapshot()` returns.
"""

from bisect import bisect_left
from collections.abc import Callable
from typing import Any, Generic, Literal, TypeVar

Kind = Literal["counter", "gauge", "histogram"]

# Hops on loopback take fractions of a millisecond.
HOP_BUCKETS_S = (
    0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
# OpenTelemetry semantic conventions, http.server.request.duration.
HTTP_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)

# A label value made from what a phone sent must not grow the table for ever.
CHILDREN_MAX = 2000


Child = TypeVar("Child", "Number", "Histogram")


class Number:
    """One counter or gauge; add to `value` in place."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float = 0


class Histogram:
    """How often each range of values occurred; `observe` is one bisection."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count `value` (seconds or bytes) in its bucket."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Family(Generic[Child]):
    """All numbers of one name, told apart by their labels' values."""

    def __init__(self, name: str, text: str, kind: Kind, labels: tuple[str, ...], make: Callable[[], Child]):
        self.name = name
        self.text = text
        self.kind = kind
        self.labels = labels
        self._make: Callable[[], Child] = make
        self._children: dict[tuple[str, ...], Child] = {}

    def child(self, *values: str) -> Child:
        """The number with these label values; look it up once and keep it.

        Past `CHILDREN_MAX` all new values share one child labelled "other".
        """
        known = self._children.get(values)
        if known is None:
            assert len(values) == len(self.labels), f"{self.name} has labels {self.labels}"
            if len(self._children) >= CHILDREN_MAX:
                values = ("other",) * len(self.labels)
            known = self._children.setdefault(values, self._make())
        return known

    def items(self) -> list[tuple[tuple[str, ...], Child]]:
        """Label values and their numbers."""
        return list(self._children.items())


class Registry:
    """Every family of one process."""

    def __init__(self) -> None:
        self._families: dict[str, Family[Any]] = {}

    def counter(self, name: str, text: str, labels: tuple[str, ...] = ()) -> Family[Number]:
        """A family that only rises; `name` ends in `_total`."""
        return self._family(name, text, "counter", labels, Number)

    def gauge(self, name: str, text: str, labels: tuple[str, ...] = ()) -> Family[Number]:
        """A family that rises and falls."""
        return self._family(name, text, "gauge", labels, Number)

    def histogram(
        self, name: str, text: str, labels: tuple[str, ...] = (), bounds: tuple[float, ...] = HOP_BUCKETS_S
    ) -> Family[Histogram]:
        """A family of distributions over `bounds` (upper ends, inclusive)."""
        return self._family(name, text, "histogram", labels, lambda: Histogram(bounds))

    def snapshot(self) -> list[dict[str, Any]]:
        """Plain values of everything, for an `Answer`; histograms as counts per bucket."""
        return [
            {
                "name": family.name,
                "help": family.text,
                "kind": family.kind,
                "labels": list(family.labels),
                "values": [[list(values), _plain(child)] for values, child in family.items()],
            }
            for family in self._families.values()
        ]

    def _family(
        self, name: str, text: str, kind: Kind, labels: tuple[str, ...], make: Callable[[], Child]
    ) -> Family[Child]:
        known = self._families.get(name)
        if known is None:
            known = self._families[name] = Family(name, text, kind, labels, make)
        assert (known.kind, known.labels) == (kind, labels), f"{name} was declared in another way before"
        return known


def _plain(child: Number | Histogram) -> Any:
    if isinstance(child, Histogram):
        return {"bounds": list(child.bounds), "counts": list(child.counts), "sum": child.total}
    return child.value
