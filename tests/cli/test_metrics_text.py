"""What Prometheus gets to read."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from edge.cli.metrics_text import exposition
from edge.common.metrics import Registry

MEMBERS = {
    "l7-mumbai-1": {"tier": "l7", "pop": "mumbai"},
    "feed-1": {"tier": "service", "service": "feed"},
}


def registry(requests: int = 3, route: str = "feed") -> Registry:
    made = Registry()
    made.counter("edge_l7_requests_total", "Requests answered", ("route", "code")).child(
        route, "200"
    ).value = requests
    made.gauge("edge_build_info", "One per process", ("tier", "instance")).child("l7", "x").value = 1
    child = made.histogram("edge_l7_request_duration_seconds", "How long", ("route",), (0.1, 1.0)).child(
        route
    )
    for seconds in (0.05, 0.5, 5.0):
        child.observe(seconds)
    return made


def read(text: str) -> dict[tuple[str, str], float]:
    """Every sample by name and process, as Prometheus' own parser sees it."""
    return {
        (sample.name + sample.labels.get("le", ""), sample.labels["instance"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_samples_of_all_processes_stand_under_one_head() -> None:
    """The format demands it: a family that is told of twice is an error."""
    text = exposition({name: registry(number).snapshot() for number, name in enumerate(MEMBERS, 1)}, MEMBERS)

    assert text.count("# TYPE edge_l7_requests_total counter") == 1
    found = read(text)
    assert found["edge_l7_requests_total", "l7-mumbai-1"] == 1
    assert found["edge_l7_requests_total", "feed-1"] == 2


def test_buckets_are_cumulative() -> None:
    """Ours are not: a counter per bucket is one addition on the hot path."""
    found = read(exposition({"l7-mumbai-1": registry().snapshot()}, MEMBERS))

    buckets = [
        found[f"edge_l7_request_duration_seconds_bucket{le}", "l7-mumbai-1"] for le in ("0.1", "1.0", "+Inf")
    ]
    assert buckets == [1, 2, 3]
    assert found["edge_l7_request_duration_seconds_count", "l7-mumbai-1"] == 3
    assert found["edge_l7_request_duration_seconds_sum", "l7-mumbai-1"] == pytest.approx(5.55)


def test_a_process_that_gave_no_answer_is_left_out() -> None:
    """A frozen worker costs its own numbers and nobody else's."""
    assert "feed-1" not in exposition({"l7-mumbai-1": registry().snapshot(), "feed-1": None}, MEMBERS)


@given(st.text())
def test_no_label_breaks_the_page(route: str) -> None:
    """A label may hold what a phone sent."""
    snapshot: Any = registry(1, route).snapshot()

    found = [
        sample.labels["route"]
        for family in text_string_to_metric_families(exposition({"l7-mumbai-1": snapshot}, MEMBERS))
        if family.name == "edge_l7_requests"
        for sample in family.samples
    ]

    # Carriage returns are the one thing that the text format (and its parser's splitlines) cannot carry.
    if not set(route) & set("\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"):
        assert found == [route]


@pytest.mark.tool
@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (apt: prometheus)")
def test_promtool_has_nothing_to_say(tmp_path: Path) -> None:
    """The official reader's own opinion."""
    text = exposition({name: registry().snapshot() for name in MEMBERS}, MEMBERS)

    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr.strip()
