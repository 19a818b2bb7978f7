"""Rounds in, medians and ratios out.

A row holds, for each contender, one figure a round (smaller is better).  The
ratio to the reference is taken round by round, because two contenders of one
round met the same noise; the table shows its median and range.
"""

from dataclasses import dataclass, field
from statistics import median


@dataclass(slots=True)
class Row:
    """One kind of work."""

    name: str
    unit: str  # "us CPU per request", "KiB per connection"
    proves: str
    rounds: dict[str, list[float]] = field(default_factory=dict)  # contender -> figures
    notes: dict[str, str] = field(default_factory=dict)  # contender -> why it has no figure, or a remark
    p99_us: dict[str, list[float]] = field(default_factory=dict)
    rate: dict[str, list[float]] = field(default_factory=dict)  # per second, as the load saw it

    def add(self, contender: str, figure: float, p99_us: float = 0.0, rate: float = 0.0) -> None:
        """One more round of `contender`."""
        self.rounds.setdefault(contender, []).append(figure)
        self.p99_us.setdefault(contender, []).append(p99_us)
        self.rate.setdefault(contender, []).append(rate)

    def ratio(self, contender: str, reference: str) -> tuple[float, float, float] | None:
        """Median, least and greatest of contender / reference over the rounds."""
        ours, theirs = self.rounds.get(contender), self.rounds.get(reference)
        if not ours or not theirs:
            return None
        ratios = [one / other for one, other in zip(ours, theirs, strict=False) if other > 0]
        return (median(ratios), min(ratios), max(ratios)) if ratios else None


def markdown(rows: list[Row], ours: str = "edge") -> str:
    """One table a row of the benchmark."""
    parts = []
    for row in rows:
        parts.append(f"### {row.name}\n\n{row.proves}\n")
        parts.append(f"| contender | {row.unit}, median | min–max | edge / contender | p99 ms | per second |")
        parts.append("|---|---:|---:|---:|---:|---:|")
        for contender in dict.fromkeys([*row.rounds, *row.notes]):
            parts.append(_line(row, contender, ours))
        parts.append("")
    return "\n".join(parts)


def _line(row: Row, contender: str, ours: str) -> str:
    figures = row.rounds.get(contender)
    if not figures:
        return f"| {contender} | – {row.notes.get(contender, '')} | | | | |"
    ratio = row.ratio(ours, contender)
    told = (
        "" if ratio is None or contender == ours else f"**{ratio[0]:.2f}×** ({ratio[1]:.2f}–{ratio[2]:.2f})"
    )
    p99 = median(row.p99_us[contender]) / 1000
    rate = median(row.rate[contender])
    return (
        f"| {contender} {row.notes.get(contender, '')}| {median(figures):.1f} "
        f"| {min(figures):.1f}–{max(figures):.1f} | {told} "
        f"| {f'{p99:.2f}' if p99 else ''} | {f'{rate:.0f}' if rate else ''} |"
    )
