"""How is a run drawn?

SVG, written by hand: it lies inside the report, scales, can be read by a screen
reader, takes its colours from the page (light or dark) and asks nobody for
anything.  Two pictures: a cloud of latencies over time on a logarithmic axis, and
lines over time.  Every mark (a fault, a kill, a ban) is on every picture.
"""

from collections.abc import Sequence
from html import escape
from math import ceil, floor, log10

from edge.lab.measure import Sample
from edge.lab.run import Mark

WIDTH, HEIGHT = 860, 240
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 14, 30
DOTS_MAX = 2500  # more would only paint over each other, and the report has to stay small
COLOURS = 6  # the page defines --c0 to --c5; the next server takes the first again


def cloud(samples: Sequence[Sample], marks: Sequence[Mark], seconds: float, title: str) -> str:
    """Each request a dot: when it was due, how long it took, who answered; failures as crosses on top."""
    good = thinned([sample for sample in samples if sample.right])
    bad = thinned([sample for sample in samples if not sample.right])
    values = [max(sample.ms, 0.05) for sample in (*good, *bad)] or [1.0]
    low, high = 10 ** floor(log10(min(values))), 10 ** ceil(log10(max(values) * 1.01))
    servers = sorted({sample.server for sample in good})
    parts = [_open(title), *_log_axis(low, high), *_time_axis(seconds), *_marks(marks, seconds)]
    for at, server in enumerate(servers):
        dots = "".join(
            f"M{_x(sample.at_s, seconds):.1f} {_y_log(sample.ms, low, high):.1f}h0"
            for sample in good
            if sample.server == server
        )
        if dots:
            parts.append(f'<path class="dot" style="stroke:var(--c{at % COLOURS})" d="{dots}"/>')
    crosses = "".join(
        f"M{_x(sample.at_s, seconds) - 3:.1f} {_y_log(sample.ms, low, high) - 3:.1f}l6 6m0 -6l-6 6"
        for sample in bad
    )
    if crosses:
        parts.append(f'<path class="cross" d="{crosses}"/>')
    names = [(server or "answered", f"var(--c{at % COLOURS})") for at, server in enumerate(servers)]
    if bad:
        names.append((f"failed ({len([sample for sample in samples if not sample.right])})", "var(--bad)"))
    return "".join([*parts, "</svg>", _legend(names)])


def lines(
    at_s: Sequence[float],
    curves: Sequence[tuple[str, Sequence[float], str]],
    marks: Sequence[Mark],
    seconds: float,
    title: str,
    unit: str,
) -> str:
    """Curves over time; each is (name, values, CSS colour)."""
    high = nice(max((max(values, default=0.0) for _, values, _ in curves), default=0.0))
    parts = [_open(title), *_linear_axis(high, unit), *_time_axis(seconds), *_marks(marks, seconds)]
    for _, values, colour in curves:
        points = " ".join(
            f"{_x(at, seconds):.1f},{_y(value, high):.1f}" for at, value in zip(at_s, values, strict=True)
        )
        parts.append(f'<polyline class="line" style="stroke:{colour}" points="{points}"/>')
    legend = _legend([(name, colour) for name, _, colour in curves])
    return "".join([*parts, "</svg>", legend])


def bars(rows: Sequence[tuple[str, float]], title: str, unit: str) -> str:
    """One horizontal bar for each (name, value)."""
    high = nice(max((value for _, value in rows), default=0.0))
    height = 26 * len(rows) + 8
    label = 150
    parts = [
        f'<svg class="plot" role="img" viewBox="0 0 {WIDTH} {height}" aria-label="{escape(title, True)}">',
        f"<title>{escape(title)}</title>",
    ]
    for at, (name, value) in enumerate(rows):
        width = max(1.0, (WIDTH - label - 130) * value / high)
        top, base = 6 + 26 * at, 19 + 26 * at
        parts.append(
            f'<text class="tick" x="{label - 8}" y="{base}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="{label}" y="{top}" width="{width:.1f}" height="18" fill="var(--c{at % COLOURS})"/>'
            f'<text class="tick" x="{label + width + 6:.1f}" y="{base}">{value:,.4g} {escape(unit)}</text>'
        )
    return "".join([*parts, "</svg>"])


def thinned(samples: Sequence[Sample], dots_max: int = DOTS_MAX) -> list[Sample]:
    """Every n-th of too many, and always the slowest of each stretch: outliers are the story."""
    if len(samples) <= dots_max:
        return list(samples)
    step = ceil(len(samples) / dots_max)
    return [max(samples[at : at + step], key=lambda sample: sample.ms) for at in range(0, len(samples), step)]


def nice(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten at or above `value`."""
    if value <= 0:
        return 1.0
    power: float = 10.0 ** floor(log10(value))
    return next((factor * power for factor in (1, 2, 5) if value <= factor * power), 10 * power)


def _open(title: str) -> str:
    label = escape(title, True)
    return (
        f'<svg class="plot" role="img" viewBox="0 0 {WIDTH} {HEIGHT}" aria-label="{label}">'
        f"<title>{escape(title)}</title>"
    )


def _x(at_s: float, seconds: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * min(max(at_s, 0.0), seconds) / seconds


def _y(value: float, high: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(value, high) / high


def _y_log(value: float, low: float, high: float) -> float:
    share = (log10(max(value, low)) - log10(low)) / max(1e-9, log10(high) - log10(low))
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share


def _log_axis(low: float, high: float) -> list[str]:
    parts = []
    value = low
    while value <= high * 1.001:
        parts.append(
            _rule(_y_log(value, low, high), f"{value:g} ms" if value < 1000 else f"{value / 1000:g} s")
        )
        value *= 10
    return parts


def _linear_axis(high: float, unit: str) -> list[str]:
    return [_rule(_y(high * part / 4, high), f"{high * part / 4:g} {unit}".strip()) for part in range(5)]


def _rule(y: float, text: str) -> str:
    return (
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="tick" x="{LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{escape(text)}</text>'
    )


def _time_axis(seconds: float) -> list[str]:
    step = nice(seconds / 10)
    times = [at * step for at in range(int(seconds / step) + 1)]
    y = HEIGHT - 10
    return [
        f'<text class="tick" x="{_x(at, seconds):.1f}" y="{y}" text-anchor="middle">{at:g} s</text>'
        for at in times
    ]


def _marks(marks: Sequence[Mark], seconds: float) -> list[str]:
    parts = []
    for mark in marks:
        if mark.at_s > seconds:
            continue
        x = f"{_x(mark.at_s, seconds):.1f}"
        parts.append(
            f'<g class="mark {escape(mark.kind, True)}">'
            f"<title>{escape(f'{mark.at_s:.1f} s: {mark.text}')}</title>{_band(mark, seconds)}"
            f'<line x1="{x}" x2="{x}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
            f'<path d="M{x} {TOP}l-5 -9h10z"/></g>'
        )
    return parts


def _band(mark: Mark, seconds: float) -> str:
    """The time for which it lasts, behind everything else."""
    if mark.until_s <= mark.at_s:
        return ""
    left, right = _x(mark.at_s, seconds), _x(mark.until_s, seconds)
    height = HEIGHT - BOTTOM - TOP
    return f'<rect class="band" x="{left:.1f}" width="{right - left:.1f}" y="{TOP}" height="{height}"/>'


def _legend(names: Sequence[tuple[str, str]]) -> str:
    square = '<svg width="10" height="10" aria-hidden="true"><rect width="10" height="10" fill="{}"/></svg>'
    items = "".join(f"<li>{square.format(colour)} {escape(name)}</li>" for name, colour in names)
    return f'<ul class="legend">{items}</ul>' if items else ""
