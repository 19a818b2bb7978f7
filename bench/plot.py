"""The tables as a picture: what we want and what came out, then one panel a row.

An SVG that stands by itself, with its own paper, so that it reads the same in a
light and in a dark page.
"""

from html import escape
from math import log10
from statistics import median

from bench.bars import BARS
from bench.table import Row

WIDTH, COLUMN = 1040, 500
MARGIN, LINE, BAR = 20, 22, 14
LABEL, FIGURE = 150, 74  # left and right of a bar
NAMES = 360  # left of the ratios
OURS, THEIRS, RANGE, WANTED, INK = "#0b7285", "#adb5bd", "#495057", "#d9480f", "#212529"
STYLE = (
    f"text{{font:12px system-ui,sans-serif;fill:{INK}}}.row{{font-weight:600}}"
    ".axis{font-size:11px;fill:#868e96}"
)


def plot(rows: list[Row]) -> str:
    """The picture of `rows`."""
    parts, top = _ratios(rows, MARGIN)
    shown = [row for row in rows if row.turns]
    heights = [MARGIN + LINE * (1 + len(row.turns)) for row in shown]
    # The left column takes rows until it is half of the whole.
    left, right = top, top
    for row, height in zip(shown, heights, strict=True):
        if left <= right:
            parts += _panel(row, MARGIN, left)
            left += height
        else:
            parts += _panel(row, MARGIN + COLUMN + MARGIN, right)
            right += height
    height = max(left, right) + MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" role="img" aria-label="Benchmark results"><style>{STYLE}</style>'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>'
    )


def _ratios(rows: list[Row], top: int) -> tuple[list[str], int]:
    """Each ratio that has a bar as a dot with its range, and the bar as a stroke; logarithmic."""
    by_name = {row.name: row for row in rows}
    found = []
    for bar in BARS:
        ratio = by_name[bar.row].ratio(bar.ours, bar.against) if bar.row in by_name else None
        if ratio is not None:
            found.append((bar, ratio))
    if not found:
        return [], top
    values = [value for bar, ratio in found for value in (bar.at_most, *ratio) if value > 0]
    low, high = log10(min(values)) - 0.1, log10(max(values)) + 0.1
    right = WIDTH - MARGIN - FIGURE

    def x(value: float) -> float:
        return NAMES + (right - NAMES) * (log10(value) - low) / (high - low)

    parts = [
        _text(MARGIN, top + 12, "Ratio of the figures, ours / theirs (logarithmic)", "row"),
        f'<circle cx="{NAMES + 6}" cy="{top + 8}" r="4.5" fill="{OURS}"/>',
        _text(NAMES + 16, top + 12, "median (hollow: missed), with least and greatest round"),
        f'<rect x="{NAMES + 356}" y="{top + 1}" width="3" height="{BAR}" fill="{WANTED}"/>',
        _text(NAMES + 366, top + 12, "wanted: at most"),
    ]
    top += LINE + 4
    bottom = top + LINE * len(found)
    for tick in (0.01, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 50):
        if low < log10(tick) < high:
            weight = 1.5 if tick == 1 else 0.5
            line = f'x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{top}" y2="{bottom}"'
            parts.append(f'<line {line} stroke="#ced4da" stroke-width="{weight}"/>')
            parts.append(_text(x(tick), bottom + 14, f"{tick:g}×", "axis", "middle"))
    for bar, (middle, least, greatest) in found:
        y = top + LINE / 2
        label = f"{bar.row}: {bar.ours} / {bar.against}"
        parts += [
            _text(NAMES - 10, y + 4, label, anchor="end"),
            f'<rect x="{x(bar.at_most) - 1.5:.1f}" y="{y - BAR / 2}" width="3" height="{BAR}" '
            f'fill="{WANTED}"/>',
            f'<line x1="{x(least):.1f}" x2="{x(greatest):.1f}" y1="{y}" y2="{y}" stroke="{RANGE}" '
            'stroke-width="1.5"/>',
            f'<circle cx="{x(middle):.1f}" cy="{y}" r="4.5" stroke="{OURS}" stroke-width="1.5" '
            f'fill="{OURS if middle <= bar.at_most else "#fff"}"/>',
            _text(WIDTH - MARGIN, y + 4, f"{middle:.2f}×", anchor="end"),
        ]
        top += LINE
    return parts, bottom + LINE + MARGIN


def _panel(row: Row, left: int, top: int) -> list[str]:
    """A bar for each contender, with the range of its rounds."""
    parts = [_text(left, top + 12, f"{row.name} · {row.unit}", "row")]
    top += LINE
    ours = row.ours or tuple(row.turns)
    largest = max(max(row.figures(name)) for name in row.turns) or 1.0
    room = COLUMN - LABEL - FIGURE
    for name in row.turns:
        figures = row.figures(name)
        middle, y = median(figures), top + (LINE - BAR) / 2
        width = max(1.0, room * middle / largest)
        least, most = (left + LABEL + room * value / largest for value in (min(figures), max(figures)))
        parts += [
            _text(left + LABEL - 8, top + 15, name, anchor="end"),
            f'<rect x="{left + LABEL}" y="{y}" width="{width:.1f}" height="{BAR}" '
            f'fill="{OURS if name in ours else THEIRS}"/>',
            f'<line x1="{least:.1f}" x2="{most:.1f}" y1="{y + BAR / 2}" y2="{y + BAR / 2}" '
            f'stroke="{RANGE}"/>',
            _text(left + COLUMN, top + 15, _short(middle), anchor="end"),
        ]
        top += LINE
    return parts


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{named} text-anchor="{anchor}">{escape(words)}</text>'
