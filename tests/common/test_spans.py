"""Spans are kept for a while, found by trace, and never without bound."""

from edge.common.spans import Span, SpanRing, from_wire, to_wire


def span(trace: str, name: str = "work") -> Span:
    return Span(
        trace_id=trace, span_id="1" * 16, parent_id="", name=name, service="edge-dns", instance="dns-1",
        pid=1, start_ns=1, end_ns=2, attributes={"edge.pop": "mumbai", "n": 3},
    )  # fmt: skip


def test_the_oldest_trace_is_forgotten_first() -> None:
    """A ring: an hour of traffic costs what a minute of it does."""
    ring = SpanRing(traces_max=2)

    for trace in ("a", "b", "a", "c"):
        ring.add(span(trace))

    assert ring.find("a") == []
    assert len(ring.find("b")) == len(ring.find("c")) == 1


def test_one_trace_cannot_grow_without_bound() -> None:
    """A phone that sends the same trace id for ever gets the room of one trace."""
    ring = SpanRing(spans_per_trace_max=3)

    for number in range(10):
        ring.add(span("a", f"work {number}"))

    assert [kept.name for kept in ring.find("a")] == ["work 0", "work 1", "work 2"]
    assert len(ring) == 1


def test_spans_survive_the_control_channel() -> None:
    """What `edge trace` draws is what the process recorded."""
    assert from_wire(to_wire([span("a")])) == [span("a")]
