"""The access log, for people."""

import pytest

from edge.cli.log_lines import HEAD, in_time, parse, row, wanted, why

LINE = {
    "timestamp": "2026-11-28T17:10:26.123456Z",
    "service.instance.id": "l7-mumbai-1",
    "trace_id": "a7a4cb16efd645513943047c709a9832",
    "http.request.method": "GET",
    "url.path": "/api/v1/feed/timeline/",
    "http.response.status_code": 503,
    "client.address": "127.0.0.1",
    "edge.upstream": "",
    "edge.flag": "UH",
    "edge.why": "no copy of feed is well",
    "ta_ms": 48.68,
}


def test_halves_and_rubbish_are_left_out() -> None:
    """Somebody is still writing; and the beginning of a long file is cut off."""
    assert parse(b'_id":1}\n{"a":1}\n[]\n\n{"b":2') == [{"a": 1}]


def test_a_line_is_read_at_a_glance() -> None:
    """When, who, what, how long, why."""
    shown = dict(zip(HEAD, row(LINE), strict=True))

    assert shown["TIME"] == "17:10:26.123"
    assert (shown["STATUS"], shown["MS"], shown["ENDPOINT"]) == ("503", "48.7", "-")
    assert why(LINE) == "no copy of feed is well"


@pytest.mark.parametrize(
    ("trace", "status", "path", "fits"),
    [
        ("", "", "", True),
        ("A7A4", "5", "feed", True),
        ("b", "", "", False),
        ("", "503", "", True),
        ("", "4-5", "", True),
        ("", "2-4", "", False),
        ("", "50", "/media", False),
    ],
)
def test_only_what_is_wanted(trace: str, status: str, path: str, fits: bool) -> None:
    """By the beginning of an id, by status, by path."""
    assert wanted(LINE, trace, status, path) is fits


def test_many_files_are_one_list() -> None:
    """Each worker writes its own; time puts them together."""
    assert in_time([{"timestamp": "2"}, {"timestamp": "3"}, {"timestamp": "1"}]) == [
        {"timestamp": "1"},
        {"timestamp": "2"},
        {"timestamp": "3"},
    ]
