"""A picture of the table: one bar a contender, one panel a row."""

from html import escape
from statistics import median

from bench.table import Row

WIDTH, BAR, GAP, LABEL = 760, 20, 6, 190
OURS, THEIRS = "#0b7285", "#adb5bd"


def plot(rows: list[Row], ours: str = "edge") -> str:
    """An SVG that stands by itself."""
    parts: list[str] = []
    top = 16
    for row in rows:
        parts.append(f'<text x="8" y="{top + 12}" class="row">{escape(row.name)} · {escape(row.unit)}</text>')
        top += 22
        largest = max((median(figures) for figures in row.rounds.values()), default=1.0) or 1.0
        for name, figures in row.rounds.items():
            middle = median(figures)
            width = max(1.0, (WIDTH - LABEL - 90) * middle / largest)
            colour = OURS if name == ours else THEIRS
            parts.append(f'<text x="{LABEL - 8}" y="{top + 14}" text-anchor="end">{escape(name)}</text>')
            parts.append(f'<rect x="{LABEL}" y="{top}" width="{width:.1f}" height="{BAR}" fill="{colour}"/>')
            parts.append(f'<text x="{LABEL + width + 6:.1f}" y="{top + 14}">{middle:.1f}</text>')
            top += BAR + GAP
        top += 14
    style = "text{font:12px system-ui,sans-serif;fill:#343a40}.row{font-weight:600}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top}" role="img" '
        f'aria-label="Benchmark results"><style>{style}</style><rect width="100%" height="100%" fill="#fff"/>'
        f"{''.join(parts)}</svg>"
    )
