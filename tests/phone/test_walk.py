"""One hop after the other."""

from hypothesis import given

from edge.common.spans import Span
from edge.phone.span_tree import build
from edge.phone.walk import Step, lines, steps
from edge.phone.waterfall import waterfall
from tests.kit.traces import ROOT, cold_feed
from tests.phone.strategies import UNTIMED, traces


def walk(spans: list[Span]) -> list[Step]:
    return steps(waterfall(build(spans, ROOT), with_stages=True), spans)


def test_the_walk_goes_from_the_phone_to_the_feed() -> None:
    """In the order in which it happened."""
    titles = [step.title for step in walk(cold_feed())]

    order = ["phone total", "dns query i.edge.test A", "dns-1 dns.query", "l4-mumbai-a l4 handover"]
    assert [title for title in titles if title in order] == order
    assert titles.index("l7-mumbai-1 waf") < titles.index("l7-mumbai-1 auth")


def test_a_step_says_what_came_in_what_was_decided_and_what_went_out() -> None:
    """And by which rule of which file."""
    spans = cold_feed()
    first = walk(spans)[0]
    balancing = next(step for step in walk(spans) if step.title.startswith("l4"))

    assert ("http.request.method", "GET") in first.came_in
    assert ("http.response.status_code", "200") in first.went_out
    assert balancing.why == "l7-mumbai-1 (2 candidates)"
    assert balancing.source.path == "edge/l4/distributor.py"
    text = "\n".join(line for _, line in lines(balancing, 20))
    assert "admit the source, then pick a worker" in text
    assert "edge/l4/distributor.py" in text


def test_a_failure_stands_out() -> None:
    """A step that failed is what one walks for."""
    ads = next(step for step in walk(cold_feed()) if step.title.startswith("ads"))

    assert ("error", "    failed                       timed out") in lines(ads, 1)


@UNTIMED
@given(traces())
def test_no_fact_is_lost_on_the_walk(spans: list[Span]) -> None:
    """An attribute that nobody sorted is a fact of the decision."""
    told = walk(spans)

    assert [step.number for step in told] == list(range(1, len(told) + 1))
    for step in told:
        assert not {*step.came_in} & {*step.went_out}
        assert lines(step, len(told))
