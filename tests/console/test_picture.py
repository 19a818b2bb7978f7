"""One request, for a browser."""

import json

from edge.common.header_fields import REQUEST, told
from edge.console.picture import picture
from tests.kit.traces import cold_feed


def test_a_row_brings_the_step_that_it_is() -> None:
    """Chosen, it says what came in, what was decided, what went out, and where that is written."""
    drawn = picture(cold_feed())
    [l4] = [row for row in drawn["rows"] if row["title"] == "l4-mumbai-a"]

    assert l4["step"]["source"] == "edge/l4/distributor.py"
    assert l4["step"]["rule"] == "admit the source, then pick a worker"
    assert l4["why"] == "l7-mumbai-1 (2 candidates)"
    assert sorted(row["step"]["number"] for row in drawn["rows"]) == [*range(1, len(drawn["rows"]) + 1)]


def test_a_proxy_shows_what_it_did_to_the_headers() -> None:
    """Both sides, side by side."""
    spans = cold_feed()
    for one in spans:
        if one.span_id == "server":
            one.attributes.update(told(REQUEST, [("host", "a"), ("edge-trace", "1")]))
        if one.span_id == "feed-client":
            one.attributes.update(told(REQUEST, [("host", "a"), ("via", "1.1 l7")]))

    [step] = [row["step"] for row in picture(spans)["rows"] if row["step"]["passed_on"]]

    assert step["asked"] == "feed"
    assert step["headers_in"] == [["host", "a"], ["edge-trace", "1"]]
    assert step["passed_on"] == [
        ["", "host", "a", "a"],
        ["-", "edge-trace", "1", None],
        ["+", "via", None, "1.1 l7"],
    ]


def test_the_parts_add_up_in_a_browser_too() -> None:
    """And all of it is JSON."""
    drawn = json.loads(json.dumps(picture(cold_feed())))

    parts = sum(us for _, us in drawn["parts"]) + drawn["unattributed_us"]
    assert abs(parts - drawn["total_us"]) < 1
    assert len(drawn["story"]) > 10
