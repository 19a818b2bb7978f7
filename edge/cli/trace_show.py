"""How is a trace shown to a person?  [I/O]"""

import statistics
import sys
import textwrap
from dataclasses import dataclass

from edge.cli.keys import is_interactive, turn_pages
from edge.cli.screen import columns, is_colourful, paint, say_json, table_lines
from edge.common.spans import Span
from edge.phone import drawing
from edge.phone.attribution import check_sum
from edge.phone.call import Call
from edge.phone.compare import Comparison, Pair, compare, reasons
from edge.phone.span_tree import Tree, build
from edge.phone.walk import Step, lines, steps
from edge.phone.waterfall import Waterfall, waterfall

_STYLES = {
    "title": "1",
    "head": "1",
    "critical": "1",
    "dim": "2",
    "good": "32",
    "error": "31",
    "phone": "90",
    "dns": "36",
    "l4": "35",
    "l7": "34",
    "service": "32",
    "queue": "33",
}
_NAME_CHARS_MAX = 46


@dataclass(frozen=True, slots=True)
class Trace:
    """The spans of one request, and which of them is the root."""

    spans: list[Span]
    root_id: str

    def tree(self) -> Tree:
        """Who called whom."""
        return build(self.spans, self.root_id)

    def model(self, *, with_stages: bool = False) -> Waterfall:
        """What is drawn."""
        model = waterfall(self.tree(), with_stages=with_stages)
        check_sum(model.attribution)
        return model


def say_waterfall(trace: Trace, *, with_stages: bool) -> None:
    """The picture."""
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    glyphs = drawing.UNICODE if encoding == "utf8" else drawing.ASCII
    model = trace.model(with_stages=with_stages)
    for line in drawing.draw(model, columns(), glyphs, cut=is_colourful()):
        print("".join(paint(piece.text, _STYLES.get(piece.tone, "")) for piece in line).rstrip())


def say_answer(call: Call, *, with_body: bool) -> None:
    """What came back, and how to see this trace again."""
    if call.failed:
        print(f"edge trace: {call.failed}", file=sys.stderr)
    elif call.status >= 400 and not with_body:
        print(f"  {call.body[:500].decode(errors='replace').strip()}")
    print(f"  again: edge trace --id {call.trace_id}")
    if with_body:
        print(call.body.decode(errors="replace"))


def say_repeats(calls: list[tuple[Call, Trace]]) -> None:
    """A line for each of several requests, and their median."""
    rows, totals = [], []
    for number, (call, trace) in enumerate(calls, start=1):
        model = trace.model()
        whole = model.attribution
        totals.append(whole.total_ns / 1e6)
        rows.append(
            (
                str(number),
                str(call.status or "-"),
                f"{whole.total_ns / 1e6:.2f}",
                f"{whole.unattributed_share:.1%}",
                model.connection,
                call.trace_id,
            )
        )
    for line in table_lines(("#", "STATUS", "MS", "UNATTRIBUTED", "CONNECTION", "TRACE"), rows):
        print(line)
    print(f"  median {statistics.median(totals):.2f} ms, best {min(totals):.2f}, worst {max(totals):.2f}\n")


def say_steps(trace: Trace) -> None:
    """Hop by hop: turned with keys on a terminal, one after the other on a pipe."""
    found = steps(trace.model(with_stages=True), trace.spans)
    pages = [_page(step, len(found)) for step in found]
    if is_interactive():
        turn_pages(pages, "→ next · ← back · Home · End · q leaves")
        return
    print("\n\n".join(pages))


def _page(step: Step, of: int) -> str:
    return "\n".join(paint(text, _STYLES.get(tone, "")) for tone, text in lines(step, of))


def say_comparison(first: Trace, second: Trace, *, as_json: bool) -> None:
    """Two traces side by side, then why they differ, the greatest difference first."""
    found = compare(first.model(with_stages=True), second.model(with_stages=True))
    told = reasons(found)
    if as_json:
        say_json(_plain(found, told))
        return
    head = ("", "FIRST", "SECOND", "Δ", "Δ OWN")
    rows = [_compared(pair) for pair in found.pairs]
    totals = (found.first.attribution, found.second.attribution)
    rest = totals[1].unattributed_ns - totals[0].unattributed_ns
    unattributed = (_ms(totals[0].unattributed_ns), _ms(totals[1].unattributed_ns), _delta(rest), "")
    rows.append(("unattributed", *unattributed))
    styles = [_tone(pair) for pair in found.pairs]
    print(f"first   {found.first.title}   {found.first.trace_id}")
    print(f"second  {found.second.title}   {found.second.trace_id}\n")
    for line in table_lines(head, rows, [*styles, "2"]):
        print(line)
    print()
    for sentence in told:
        print(textwrap.fill(sentence, columns(), subsequent_indent="  "))


def _compared(pair: Pair) -> tuple[str, ...]:
    row = pair.second or pair.first
    assert row is not None, "a pair has at least one side"
    name = f"{'  ' * row.depth}{row.title} {row.text}".rstrip()
    return (
        name if len(name) <= _NAME_CHARS_MAX else f"{name[: _NAME_CHARS_MAX - 1]}…",
        _ms(pair.first.end_ns - pair.first.start_ns) if pair.first else "-",
        _ms(pair.second.end_ns - pair.second.start_ns) if pair.second else "-",
        _delta(pair.duration_delta_ns),
        _delta(pair.self_delta_ns),
    )


def _tone(pair: Pair) -> str:
    # More than a millisecond of the total is worth a colour; red is longer, green shorter.
    if abs(pair.self_delta_ns) < 1_000_000:
        return ""
    return "31" if pair.self_delta_ns > 0 else "32"


def _plain(found: Comparison, told: list[str]) -> dict[str, object]:
    return {
        "first": found.first.trace_id,
        "second": found.second.trace_id,
        "deltaMs": found.delta_ns / 1e6,
        "reasons": told,
        "rows": [
            {
                "key": pair.key,
                "firstMs": (pair.first.end_ns - pair.first.start_ns) / 1e6 if pair.first else None,
                "secondMs": (pair.second.end_ns - pair.second.start_ns) / 1e6 if pair.second else None,
                "selfDeltaMs": pair.self_delta_ns / 1e6,
            }
            for pair in found.pairs
        ],
    }


def _ms(ns: int) -> str:
    return f"{ns / 1e6:.2f}"


def _delta(ns: int) -> str:
    return f"{ns / 1e6:+.2f}" if ns else ""
