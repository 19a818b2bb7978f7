"""The file that ui.perfetto.dev opens."""

import orjson
import pytest
from hypothesis import given

from edge.common.spans import Span
from edge.phone.perfetto import export
from tests.kit.traces import cold_feed
from tests.oracle.trace_events import check
from tests.phone.strategies import UNTIMED, traces


def test_every_span_is_a_slice_at_its_own_time() -> None:
    """Nothing is clipped, folded or left out: this is the file for those who look closely."""
    spans = cold_feed()

    slices = {event["args"]["span_id"]: event for event in check(export(spans, 0))}

    assert slices.keys() == {span.span_id for span in spans}
    for span in spans:
        assert slices[span.span_id]["ts"] == pytest.approx(span.start_ns / 1e3)
        assert slices[span.span_id]["dur"] == pytest.approx((span.end_ns - span.start_ns) / 1e3)


def test_calls_that_ran_beside_each_other_lie_on_different_lanes() -> None:
    """Slices of one thread must nest; a fan-out of four does not."""
    events = check(export(cold_feed(), 0))

    calls = [event for event in events if event["name"] == "GET" and event["cat"] == "feed"]

    assert len({event["tid"] for event in calls}) >= 4


def test_each_process_has_a_name_and_its_place_in_the_order_of_the_request() -> None:
    """The reader sees the path from top to bottom."""
    events = export(cold_feed(), 0)["traceEvents"]

    names = [event["args"]["name"] for event in events if event["name"] == "process_name"]

    assert names[0] == "phone (pid 4711)"
    assert names.index("dns-1 (pid 4711)") < names.index("l7-mumbai-1 (pid 4711)")


def test_arrows_lead_from_each_call_to_its_callee() -> None:
    """Perfetto draws them when a slice is selected."""
    events = export(cold_feed(), 0)["traceEvents"]

    assert sum(event["ph"] == "s" for event in events) == 6


@UNTIMED
@given(traces())
def test_any_trace_keeps_the_rules_of_the_format(spans: list[Span]) -> None:
    """A viewer drops what does not nest, without a word."""
    check(orjson.loads(orjson.dumps(export(spans, 0))))
