"""HAR, read by the specification and by a stranger's library."""

import orjson
import pytest
from hypothesis import given

from edge.common.header_fields import REQUEST, RESPONSE, told
from edge.common.spans import Span
from edge.phone.har import export
from edge.phone.span_tree import build, rooted
from tests.kit.traces import ROOT, cold_feed, span
from tests.oracle.har import Entry, read
from tests.phone.strategies import UNTIMED, traces

OFFSET_NS = 1_700_000_000_000_000_000


def phones_entry(spans: list[Span]) -> Entry:
    return read(export(build(spans, ROOT), OFFSET_NS)).entries[0]


def test_the_phases_are_the_waterfalls() -> None:
    """Two views of one request must not disagree."""
    timings = phones_entry(cold_feed()).timings

    assert (timings.dns, timings.ssl) == (1.1, 3.1)
    assert timings.connect == pytest.approx(0.4 + 3.1)
    assert timings.send + timings.wait == pytest.approx(24.7)
    assert timings.receive == pytest.approx(0.65)
    assert timings.blocked == pytest.approx(0.25)


def test_the_fan_out_is_on_the_same_page() -> None:
    """A browser's network panel then shows who waited for whom."""
    log = read(export(build(cold_feed(), ROOT), OFFSET_NS))

    assert len(log.pages) == 1
    assert len(log.entries) == 7  # the phone's, L7's try, and five of the feed
    assert {entry.pageref for entry in log.entries} == {log.pages[0].id}


def test_a_kept_connection_has_no_phases_of_connecting() -> None:
    """-1 is the specification's word for it."""
    spans = [one for one in cold_feed() if one.span_id not in ("dns", "dns-1", "tcp", "tls")]

    timings = phones_entry(spans).timings

    assert (timings.dns, timings.connect, timings.ssl) == (-1, -1, -1)


def test_headers_and_sizes_come_from_the_spans() -> None:
    """Also of a trace that is looked at a day later."""
    spans = cold_feed()
    by_id = {one.span_id: one for one in spans}
    by_id["http"].attributes.update(told(REQUEST, [("accept", "*/*")]) | {"edge.send_ns": 200_000})
    by_id["body"].attributes.update(
        told(RESPONSE, [("content-type", "application/json")]) | {"http.response.body.size": 5321}
    )

    entry = phones_entry(spans)

    assert [(one.name, one.value) for one in entry.request.headers] == [("accept", "*/*")]
    assert (entry.response.content.mimeType, entry.response.content.size) == ("application/json", 5321)
    assert entry.timings.send == pytest.approx(0.2)


def test_an_error_is_an_answer_of_status_0() -> None:
    """As browsers write it."""
    spans = [
        span(ROOT, "", "phone", 0, 900, service="phone", error="refused", url__full="https://i.edge.test/"),
        span("tcp", ROOT, "tcp connect", 100, 900, service="phone", error="refused"),
    ]

    assert phones_entry(spans).response.status == 0


def test_another_library_reads_it() -> None:
    """haralyzer, from PyPI: somebody else's understanding of the format."""
    haralyzer = pytest.importorskip("haralyzer")
    exported = orjson.loads(orjson.dumps(export(build(cold_feed(), ROOT), OFFSET_NS)))

    page = haralyzer.HarParser(exported).pages[0]

    assert page.url == "https://i.edge.test:8443/api/v1/feed/timeline/"
    assert page.actual_page.status == 200
    assert page.page_load_time == pytest.approx(30.2)
    assert len(page.entries) == 7


def test_a_browsers_request_is_told_as_far_as_the_edge_saw_it() -> None:
    """curl writes no spans: what is unknown stays unknown."""
    spans, root_id = rooted([one for one in cold_feed() if one.service != "phone"])

    entry = read(export(build(spans, root_id), OFFSET_NS)).entries[0]

    assert entry.timings.dns == -1
    assert entry.time == pytest.approx(entry.timings.wait)


@UNTIMED
@given(traces())
def test_any_trace_makes_a_valid_archive(spans: list[Span]) -> None:
    """Whatever the processes told."""
    read(orjson.loads(orjson.dumps(export(build(spans, ROOT), OFFSET_NS))))
