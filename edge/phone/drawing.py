"""How does a waterfall look in a terminal, or on paper?

Rows in, lines of coloured pieces out; who prints decides what a colour is.  The
drawing fits the width it is given: labels and numbers take what they need up to a
share, bars take the rest, and what is said at the end of a line is cut last.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from edge.phone.waterfall import Row, Waterfall

LABEL_COLUMNS_MAX = 46
BAR_COLUMNS_MIN = 16
NUMBER_COLUMNS = 8
BUDGET_SHARE = 0.05  # of the total may be unattributed


@dataclass(frozen=True, slots=True)
class Piece:
    """Text in one tone: a tier's name, "critical", "error", "dim", "title" or nothing."""

    text: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Glyphs:
    """What bars are made of."""

    critical: str  # waited for
    beside: str  # ran beside it
    call: str  # a call on its way to the callee and back
    queue: str
    sliver: str  # shorter than a column
    star: str
    rest: str
    cross: str
    none: str
    cut: str


UNICODE = Glyphs(
    critical="█",
    beside="▒",
    call="─",
    queue="░",
    sliver="▏",
    star="★",
    rest="░",
    cross="✗",
    none="–",
    cut="…",
)
ASCII = Glyphs(
    critical="#",
    beside="=",
    call="-",
    queue="~",
    sliver="|",
    star="*",
    rest="~",
    cross="x",
    none="-",
    cut="...",
)

Line = list[Piece]


def draw(model: Waterfall, columns: int, glyphs: Glyphs = UNICODE, *, cut: bool = True) -> list[Line]:
    """The lines of the whole picture, each at most `columns` wide if `cut`."""
    labels = [_label(row, glyphs) for row in model.rows]
    label_columns = min(LABEL_COLUMNS_MAX, max((len(label) for label in labels), default=0) + 1)
    bar_columns = max(BAR_COLUMNS_MIN, min(72, (columns - label_columns - 2 * NUMBER_COLUMNS) * 3 // 5))
    total_ns = max(1, model.attribution.total_ns)
    lines = [*_head(model), _axis(total_ns, label_columns, bar_columns)]
    for row, label in zip(model.rows, labels, strict=True):
        lines.append(
            [
                Piece(_fit(label, label_columns, glyphs), "critical" if row.is_critical else "dim"),
                *_bar(row, total_ns, bar_columns, glyphs),
                Piece(_number(row.end_ns - row.start_ns)),
                Piece(_number(row.self_ns) if row.is_critical else glyphs.none.rjust(NUMBER_COLUMNS), "dim"),
                Piece("  "),
                *(
                    [Piece(f"{glyphs.cross} {row.error}" + (" · " if row.why else ""), "error")]
                    if row.error
                    else []
                ),
                Piece(row.why, "dim"),
            ]
        )
    lines += _foot(model, label_columns, bar_columns, columns, glyphs)
    return [_cut_line(line, columns, glyphs) for line in lines] if cut else lines


def plain(lines: Sequence[Line]) -> list[str]:
    """The same without tones."""
    return ["".join(piece.text for piece in line).rstrip() for line in lines]


def _head(model: Waterfall) -> list[Line]:
    short = f"{model.trace_id[:4]}…{model.trace_id[-4:]}"
    facts = f"   trace {short}   "
    tone = "error" if model.status >= 400 or model.status == 0 else "good"
    total = f"   {model.attribution.total_ns / 1e6:.1f} ms   {model.connection}"
    status = str(model.status or "no answer")
    return [[Piece(model.title, "title"), Piece(facts), Piece(status, tone), Piece(total)]]


def _axis(total_ns: int, label_columns: int, bar_columns: int) -> Line:
    total_ms = total_ns / 1e6
    step_ms = _step(total_ms)
    marks = [" "] * bar_columns
    count = 0
    while count * step_ms <= total_ms:
        text = f"{count * step_ms:g}"
        at = round(count * step_ms / total_ms * bar_columns)
        if at + len(text) <= bar_columns and all(
            mark == " " for mark in marks[max(0, at - 1) : at + len(text)]
        ):
            marks[at : at + len(text)] = text
        count += 1
    head = "ms".rjust(NUMBER_COLUMNS) + "self".rjust(NUMBER_COLUMNS) + "  why"
    return [Piece(" " * label_columns + "".join(marks) + head, "dim")]


def _step(total_ms: float) -> float:
    """A round number that divides the axis into about six."""
    size = 10.0**-6
    while True:
        for factor in (1.0, 2.0, 5.0):
            if total_ms / (size * factor) <= 7:
                return size * factor
        size *= 10


def _label(row: Row, glyphs: Glyphs) -> str:
    star = f" {glyphs.star}" if row.is_critical and row.tone == "service" else ""
    return f"{'  ' * row.depth}{row.title} {row.text}".rstrip() + star


def _bar(row: Row, total_ns: int, columns: int, glyphs: Glyphs) -> Line:
    body = glyphs.queue if row.tone == "queue" else glyphs.critical if row.is_critical else glyphs.beside
    start, end = _span(row.start_ns, row.end_ns, total_ns, columns)
    cells = [" "] * columns
    if row.inner_ns is None:
        cells[start:end] = body * (end - start)
    else:
        cells[start:end] = glyphs.call * (end - start)
        inner_start, inner_end = _span(*row.inner_ns, total_ns, columns)
        cells[inner_start:inner_end] = body * (inner_end - inner_start)
    if (row.end_ns - row.start_ns) * columns < total_ns:
        cells[start] = glyphs.sliver
    tone = "error" if row.error else row.tone
    return [
        Piece(" " * start),
        Piece("".join(cells[start:end]), tone),
        Piece(" " * (columns - end)),
    ]


def _span(start_ns: int, end_ns: int, total_ns: int, columns: int) -> tuple[int, int]:
    """Columns from and until; at least one, and inside."""
    start = min(columns - 1, start_ns * columns // total_ns)
    end = min(columns, max(start + 1, -(-end_ns * columns // total_ns)))
    return start, end


def _foot(model: Waterfall, label_columns: int, bar_columns: int, columns: int, glyphs: Glyphs) -> list[Line]:
    whole = model.attribution
    share = whole.unattributed_share
    label = f"{glyphs.rest} unattributed".ljust(label_columns + bar_columns)
    numbers = _number(whole.unattributed_ns) + " " * NUMBER_COLUMNS
    verdict = f"  {share:.1%} of the total (budget {BUDGET_SHARE:.0%})"
    tone = "error" if share > BUDGET_SHARE else "dim"
    parts = [*((part.name, part.ns) for part in whole.parts), ("unattributed", whole.unattributed_ns)]
    told = " + ".join(f"{name} {ns / 1e6:.2f}" for name, ns in parts)
    sentence = [f"critical path {model.critical_ns / 1e6:.1f} ms"]
    if model.saved_ns:
        sentence.append(f"working in parallel saved {model.saved_ns / 1e6:.1f} ms")
    if model.lever:
        sentence.append(f"biggest lever: {model.lever}")
    sentence.append(f"{model.processes} processes")
    paragraphs = [
        (f"{glyphs.star} " + " · ".join(sentence), "critical"),
        (f"  {told} = {whole.total_ns / 1e6:.2f} ms", "dim"),
        *((f"  {note}", "dim") for note in model.notes),
    ]
    wrapped = [
        [Piece(line, tone)]
        for text, tone in paragraphs
        for line in textwrap.wrap(text, columns, subsequent_indent="    ", drop_whitespace=True)
    ]
    return [[Piece(label + numbers, "dim"), Piece(verdict, tone)], *wrapped]


def _number(ns: int) -> str:
    ms = ns / 1e6
    return (f"{ms:.1f}" if ms >= 100 else f"{ms:.2f}").rjust(NUMBER_COLUMNS)


def _fit(text: str, columns: int, glyphs: Glyphs) -> str:
    if len(text) >= columns:
        text = text[: columns - 1 - len(glyphs.cut)] + glyphs.cut
    return text.ljust(columns)


def _cut_line(line: Line, columns: int, glyphs: Glyphs) -> Line:
    kept: Line = []
    left = columns
    for piece in line:
        if len(piece.text) > left:
            kept.append(Piece(piece.text[: max(0, left - len(glyphs.cut))] + glyphs.cut[:left], piece.tone))
            return kept
        kept.append(piece)
        left -= len(piece.text)
    return kept
