"""The sequence diagram."""

import re

from hypothesis import given

from edge.common.spans import Span
from edge.phone.mermaid import export
from edge.phone.span_tree import build
from tests.kit.traces import ROOT, cold_feed, span
from tests.phone.strategies import UNTIMED, traces

# The lines of the grammar that we use (mermaid, sequenceDiagram.jison).
LINE = re.compile(
    r"sequenceDiagram|    autonumber"
    r"|    participant p\d+ as [^\n;]+"
    r"|    Note over p\d+: ([^;\n<>{}%]|#\d+;)+"
    r"|    p\d+(->>|-->>|--x)p\d+: ([^;\n<>{}%]|#\d+;)+"
)


def test_the_feeds_diagram_names_everybody_once_and_every_call_twice() -> None:
    """There and back."""
    text = export(build(cold_feed(), ROOT))

    assert text.count("participant ") == 10
    assert text.count("->>p") - text.count("-->>p") == text.count("-->>p") + text.count("--x")
    assert "as ranking-1" in text
    assert "--x" in text  # ads timed out


def test_arrows_stand_in_the_order_of_time() -> None:
    """A sequence diagram is read from top to bottom."""
    text = export(build(cold_feed(), ROOT))

    starts = [float(found) for found in re.findall(r"->>p\d+: \+([\d.]+) ", text)]
    assert starts == sorted(starts)


def test_the_passing_stages_share_one_note() -> None:
    """Nine notes in a row would hide the calls."""
    text = export(build(cold_feed(), ROOT))

    assert len(re.findall(r"Note over p\d+: \S+ passed: ", text)) == 1


def test_what_a_span_says_cannot_become_syntax() -> None:
    """An attacker's path in a diagram of a README."""
    spans = [
        span(ROOT, "", "phone", 0, 100, service="phone"),
        span("a", ROOT, "GET /;p0->>p1: <b>#x%%{init}\n    end", 10, 90, service="edge-l7", kind=2),
    ]

    assert all(LINE.fullmatch(line) for line in export(build(spans, ROOT)).splitlines())


@UNTIMED
@given(traces())
def test_any_trace_is_within_the_grammar(spans: list[Span]) -> None:
    """Mermaid shows an error picture for the whole diagram where one line is wrong."""
    for line in export(build(spans, ROOT)).splitlines():
        assert LINE.fullmatch(line), line
