"""What got longer or shorter between two requests, and why?

Rows of the two waterfalls are matched by their key (what the work is, not which copy
did it) below the matched row of their caller; the second of a kind, such as a retry,
meets the second.  Every nanosecond of a trace is some row's own, so the differences
of the own times add up to the difference of the totals: nothing that made the
request slower can hide.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from edge.phone.waterfall import Row, Waterfall

# Differences that two runs of the same request show anyway: not worth a sentence.
NOISE_NS = 20_000
NOISE_SHARE = 0.005  # of the longer one's total

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """The same piece of work in both traces; None where only one has it."""

    key: Key
    first: Row | None
    second: Row | None

    @property
    def duration_delta_ns(self) -> int:
        """How much longer it took."""
        return _duration(self.second) - _duration(self.first)

    @property
    def self_delta_ns(self) -> int:
        """How much more of the total is its own: what the phone noticed of it."""
        return _own(self.second) - _own(self.first)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two traces, the second seen from the first."""

    first: Waterfall
    second: Waterfall
    pairs: tuple[Pair, ...]  # in the order of the second trace, what only the first has at its place

    @property
    def delta_ns(self) -> int:
        """How much longer the second took."""
        return self.second.attribution.total_ns - self.first.attribution.total_ns


def compare(first: Waterfall, second: Waterfall) -> Comparison:
    """Match the rows of two traces."""
    before, after = _keyed(first), _keyed(second)
    order = _merged(list(before), list(after))
    pairs = tuple(Pair(key, before.get(key), after.get(key)) for key in order)
    told = sum(pair.self_delta_ns for pair in pairs)
    delta = second.attribution.total_ns - first.attribution.total_ns
    assert told == delta, f"the differences make {told} ns of {delta} ns"
    return Comparison(first, second, pairs)


def reasons(comparison: Comparison) -> list[str]:
    """Sentences, the greatest difference first; each names the row, the number and what differs."""
    delta = comparison.delta_ns
    told = [f"The second took {abs(delta) / 1e6:.2f} ms {'longer' if delta >= 0 else 'less'}."]
    if comparison.first.status != comparison.second.status:
        told.append(f"It was answered with {comparison.second.status} instead of {comparison.first.status}.")
    if comparison.first.connection != comparison.second.connection:
        told.append(f"It came on a {comparison.second.connection}, not a {comparison.first.connection}.")
    longer_ns = max(comparison.first.attribution.total_ns, comparison.second.attribution.total_ns)
    noise_ns = max(NOISE_NS, int(longer_ns * NOISE_SHARE))
    changed = [pair for pair in comparison.pairs if abs(pair.self_delta_ns) > noise_ns]
    changed.sort(key=lambda pair: -abs(pair.self_delta_ns))
    told += [_reason(pair) for pair in changed]
    quiet = sum(pair.self_delta_ns for pair in comparison.pairs) - sum(pair.self_delta_ns for pair in changed)
    told.append(f"Everything else: {_signed(quiet)}.")
    return told


def _reason(pair: Pair) -> str:
    row = pair.second or pair.first
    assert row is not None, "a pair has at least one side"
    name = f"{row.title} {row.text}".strip()
    sentence = f"{_signed(pair.self_delta_ns)} by {name}"
    if pair.first is None:
        sentence += ", which the first did not have"
    elif pair.second is None:
        sentence += ", which the second did not need"
    elif pair.first.title != pair.second.title:
        sentence += f", done by {pair.second.title} instead of {pair.first.title}"
    return f"{sentence}{_why(pair)}. [{row.span_name}; {row.source.path or 'not ours'}]"


def _why(pair: Pair) -> str:
    first, second = _said(pair.first), _said(pair.second)
    if first == second:
        return ""
    if pair.first is None or pair.second is None:
        return f" ({first or second})"
    if first and second:
        return f": {second}; before: {first}"
    return f": {second}" if second else f": before: {first}"


def _said(row: Row | None) -> str:
    return " · ".join(part for part in (row.error, row.why) if part) if row else ""


def _keyed(model: Waterfall) -> dict[Key, Row]:
    found: dict[Key, Row] = {}
    above: list[Key] = []
    for row in model.rows:
        del above[row.depth :]
        parent = above[-1] if above else ()
        number = 1
        while (key := (*parent, f"{row.key}#{number}")) in found:
            number += 1
        found[key] = row
        above.append(key)
    return found


def _merged(first: list[Key], second: list[Key]) -> Iterator[Key]:
    """All keys in the second's order; one that only the first has follows whom it followed there."""
    here = set(second)
    after: dict[Key | None, list[Key]] = {}
    anchor: Key | None = None
    for key in first:
        if key in here:
            anchor = key
        else:
            after.setdefault(anchor, []).append(key)
    yield from after.get(None, ())
    for key in second:
        yield key
        yield from after.get(key, ())


def _duration(row: Row | None) -> int:
    return row.end_ns - row.start_ns if row else 0


def _own(row: Row | None) -> int:
    return row.self_ns if row else 0


def _signed(ns: int) -> str:
    return f"{'+' if ns >= 0 else '−'}{abs(ns) / 1e6:.2f} ms"
