"""Writing spans down."""

import pytest

from edge.common.recorder import Recorder, new_span_id, new_trace
from edge.common.spans import SpanRing
from edge.common.trace import parse_traceparent


def test_new_ids_are_valid_and_differ() -> None:
    """They go out in `traceparent`."""
    traces = [new_trace() for _ in range(50)]

    assert all(parse_traceparent(trace.header().encode()) == trace for trace in traces)
    assert len({trace.trace_id for trace in traces}) == 50
    assert len({new_span_id() for _ in range(50)}) == 50


def test_a_block_becomes_a_span_also_when_it_fails() -> None:
    """The failure is what one looks for in a waterfall."""
    ring, trace = SpanRing(), new_trace()
    recorder = Recorder(ring, "feed", "feed-1", 7)

    with recorder.internal(trace, "feed.compose") as attributes:
        attributes["edge.items"] = 12
    with pytest.raises(KeyError), recorder.internal(trace, "feed.bug"):
        raise KeyError("x")

    good, bad = ring.find(trace.trace_id)
    assert (good.name, good.parent_id, good.attributes) == ("feed.compose", trace.span_id, {"edge.items": 12})
    assert (bad.name, bad.error) == ("feed.bug", "KeyError")
    assert good.end_ns >= good.start_ns
