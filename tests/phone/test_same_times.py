"""One request, told in five ways: the times must be the same in all of them."""

import re

import pytest

from edge.common.spans import Span
from edge.phone import har, otlp, page, perfetto
from edge.phone.prose import explain
from edge.phone.span_tree import build
from edge.phone.waterfall import waterfall
from tests.kit.traces import ROOT, cold_feed, warm_feed
from tests.oracle.har import read
from tests.oracle.trace_events import check
from tests.phone.test_otlp import read_by_the_oracle

OFFSET_NS = 1_700_000_000_000_000_000


@pytest.mark.parametrize("spans", [cold_feed(), warm_feed()], ids=["cold", "warm"])
def test_explain_otlp_har_and_perfetto_agree(spans: list[Span]) -> None:
    """Whoever compares two of them must find no difference to explain."""
    tree = build(spans, ROOT)
    model = waterfall(tree, with_stages=True)
    by_id = {span.span_id: span for span in spans}

    in_otlp = {
        one.span_id: (one.start_time_unix_nano - OFFSET_NS, one.end_time_unix_nano - OFFSET_NS)
        for resource in read_by_the_oracle(otlp.export(spans, OFFSET_NS)).resource_spans
        for scope in resource.scope_spans
        for one in scope.spans
    }
    in_perfetto = {
        event["args"]["span_id"]: (event["ts"], event["dur"])
        for event in check(perfetto.export(spans, OFFSET_NS))
    }
    in_har = {
        entry.comment.rpartition(" ")[2]: (entry.startedDateTime.timestamp(), entry.time)
        for entry in read(har.export(tree, OFFSET_NS)).entries
    }
    story = explain(model)
    drawn = page.export(model, by_id)

    # OTLP and Perfetto hold every span as it was told, to the nanosecond.
    assert sorted(in_otlp.values()) == sorted((span.start_ns, span.end_ns) for span in spans)
    for span in spans:
        ts_us, dur_us = in_perfetto[span.span_id]
        assert ts_us == pytest.approx(span.start_ns / 1e3, abs=1e-3)
        assert dur_us == pytest.approx((span.end_ns - span.start_ns) / 1e3, abs=1e-3)
    # HAR holds the calls, in ms, from the same moment on the same offset.
    for span_id, (unix_s, time_ms) in in_har.items():
        span = by_id[span_id]
        assert unix_s == pytest.approx((span.start_ns + OFFSET_NS) / 1e9, abs=2e-6)
        assert time_ms == pytest.approx((span.end_ns - span.start_ns) / 1e6, abs=1e-6)
    # The story and the page hold the rows, rounded to 10 µs.
    for row in model.rows[1:]:
        start, took = f"{row.start_ns / 1e6:.2f} ms", f"{(row.end_ns - row.start_ns) / 1e6:.2f} ms"
        assert any(line.startswith(f"At {start}: ") and f", {took}" in line for line in story), row
        assert f"from {start} for {took}" in drawn
    total = f"{model.attribution.total_ns / 1e6:.2f} ms"
    assert f"after {total}" in story[0]
    assert in_har[ROOT][1] == pytest.approx(model.attribution.total_ns / 1e6)
    assert re.search(rf"<b>{re.escape(total)}</b>", drawn)
