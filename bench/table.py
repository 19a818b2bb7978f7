"""Rounds in, medians and ratios out.

A row holds, for each contender, one turn a round (smaller is better).  Ratios are
taken round by round, because two contenders of one round met the same noise; the
tables show their median and range.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median

from bench.bars import BARS, Bar


@dataclass(slots=True)
class Turn:
    """One contender in one round."""

    figure: float  # in the row's unit
    p50_us: float = 0.0
    p90_us: float = 0.0
    p99_us: float = 0.0
    per_s: float = 0.0  # as the load saw it
    system_share: float | None = None  # of the CPU time
    extra: dict[str, float] = field(default_factory=dict)  # what only this row has, named with its unit


@dataclass(slots=True)
class Row:
    """One kind of work."""

    name: str
    unit: str  # "µs CPU per request", "KiB per connection"
    work: str
    proves: str
    proves_not: str
    ours: tuple[str, ...] = ("edge",)
    reference: str = ""  # where we are compared with ourselves: with whom
    turns: dict[str, list[Turn]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)  # contender -> why it has no figure, or a remark
    peak_mib: dict[str, float] = field(default_factory=dict)
    aside: str = ""  # Markdown, below the table

    def add(self, contender: str, turn: Turn) -> None:
        """One more round of `contender`."""
        self.turns.setdefault(contender, []).append(turn)

    def figures(self, contender: str) -> list[float]:
        """One a round."""
        return [turn.figure for turn in self.turns.get(contender, [])]

    def ratio(self, contender: str, reference: str) -> tuple[float, float, float] | None:
        """Median, least and greatest of contender / reference over the rounds."""
        pairs = zip(self.figures(contender), self.figures(reference), strict=False)
        ratios = [one / other for one, other in pairs if other > 0]
        return (median(ratios), min(ratios), max(ratios)) if ratios else None


def page(rows: list[Row], about: Mapping[str, str], notice: str = "") -> str:
    """Everything that `make bench` says."""
    told = "\n".join(f"- {key}: {value}" for key, value in about.items())
    parts = [
        "# Benchmark",
        "Smaller is better. Ratios are taken round by round; given are their median and (least–greatest). "
        "How it is measured: [docs/performance.md](../../docs/performance.md); each contender's "
        "configuration: [config](config); the same as [JSON](latest.json), as [a picture](latest.svg).",
        notice,
        told,
        "## What we want, and what came out\n\n" + summary(rows),
        "## The rows\n\n" + "\n\n".join(map(section, rows)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def summary(rows: list[Row], bars: Iterable[Bar] = BARS) -> str:
    """One table: every ratio that has a bar."""
    by_name = {row.name: row for row in rows}
    lines = ["| row | ours | against | ratio | wanted | |", "|---|---|---|---:|---:|---|"]
    for bar in bars:
        row = by_name.get(bar.row)
        ratio = row.ratio(bar.ours, bar.against) if row else None
        if row is None:
            continue
        if ratio is None:
            why = row.notes.get(bar.ours) or row.notes.get(bar.against) or "not measured"
            lines.append(f"| {bar.row} | {bar.ours} | {bar.against} | – {why} | ≤ {bar.at_most:.3g}× | |")
            continue
        verdict = "reached" if ratio[0] <= bar.at_most else "missed"
        lines.append(
            f"| {bar.row} | {bar.ours} | {bar.against} | {_ratio(ratio)} | ≤ {bar.at_most:.3g}× | {verdict} |"
        )
    return "\n".join(lines)


def section(row: Row) -> str:
    """One row: what it is, what it shows, and each contender's figures."""
    compared = (row.reference,) if row.reference else row.ours
    heads = [f"× of {row.reference}"] if row.reference else [f"{one} / contender" for one in row.ours]
    extras = list(dict.fromkeys(key for turns in row.turns.values() for turn in turns for key in turn.extra))
    head = ["contender", f"{row.unit}, median", "min–max", *heads]
    head += ["of it kernel", "p50 ms", "p99 ms", "per second", "peak MiB", *extras]
    lines = [
        f"### {row.name}\n",
        f"{row.work}\n",
        f"*Proves:* {row.proves} *Does not prove:* {row.proves_not}\n",
        f"| {' | '.join(head)} |",
        f"|---|{'---:|' * (len(head) - 1)}",
    ]
    for contender in dict.fromkeys([*row.turns, *row.notes]):
        cells = _cells(row, contender, compared, extras)
        lines.append(f"| {' | '.join(cells)} |")
    if row.aside:
        lines.append(f"\n{row.aside}")
    return "\n".join(lines)


def _cells(row: Row, contender: str, compared: tuple[str, ...], extras: list[str]) -> list[str]:
    note = row.notes.get(contender, "")
    turns = row.turns.get(contender)
    if not turns:
        return [contender, f"– {note}", *[""] * (6 + len(compared) + len(extras))]
    figures = row.figures(contender)
    shares = [turn.system_share for turn in turns if turn.system_share is not None]
    return [
        f"{contender} ({note})" if note else contender,
        _number(median(figures)),
        f"{_number(min(figures))}–{_number(max(figures))}",
        *(_against(row, contender, one) for one in compared),
        f"{median(shares):.0%}" if shares else "",
        _ms(turn.p50_us for turn in turns),
        _ms(turn.p99_us for turn in turns),
        _number(median(turn.per_s for turn in turns), "") if any(turn.per_s for turn in turns) else "",
        _number(row.peak_mib[contender]) if contender in row.peak_mib else "",
        *(_number(median(turn.extra.get(key, 0.0) for turn in turns)) for key in extras),
    ]


def _against(row: Row, contender: str, one: str) -> str:
    # A row that compares us with ourselves is read the other way round: this against the reference.
    ratio = row.ratio(contender, one) if row.reference else row.ratio(one, contender)
    return _ratio(ratio) if ratio and contender != one else ""


def _ratio(ratio: tuple[float, float, float]) -> str:
    return f"**{ratio[0]:.2f}×** ({ratio[1]:.2f}–{ratio[2]:.2f})"


def _number(value: float, zero: str = "0") -> str:
    if not value:
        return zero
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _ms(values_us: Iterable[float]) -> str:
    middle_ms = median(values_us) / 1000
    return f"{middle_ms:.2f}" if middle_ms else ""
