"""A request's whole way, told by the real processes and asked for as a student would."""

import http.server
import json
import re
import shutil
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.kit.edges import Edge, wait_for
from tests.kit.phones import Phone
from tests.oracle.har import read as read_har
from tests.oracle.trace_events import check as check_trace_events
from tests.phone.test_otlp import read_by_the_oracle

pytestmark = pytest.mark.e2e

FEED = "/api/v1/feed/timeline/"


def traced(edge: Edge, *arguments: str, **environment: str) -> dict[str, Any]:
    done = edge.run("trace", *arguments, "--json", **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def spans_in(told: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        span
        for resource in told["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


def test_a_cold_feed_has_its_spans_its_processes_and_its_sum(edge: Edge) -> None:
    """At least 12 spans of at least 8 processes, and less than a twentieth unattributed."""
    traced(edge, FEED)  # the first one pays for what is loaded at first sight

    told = traced(edge, FEED, "--cold")

    whole = told["edge"]
    assert len(spans_in(told)) >= 12
    assert whole["processes"] >= 8
    assert whole["unattributedShare"] < 0.05
    parts = sum(whole["partsMs"].values()) + whole["unattributedMs"]
    assert parts == pytest.approx(whole["totalMs"], abs=1e-3)


def test_the_same_request_tells_the_same_times_in_every_form(edge: Edge, tmp_path: Path) -> None:
    """Explain, OTLP, HAR, Perfetto: four readers, one request, no difference."""
    trace_id = traced(edge, FEED, "--warm")["edge"]["traceId"]

    def exported(form: str) -> dict[str, Any]:
        file = tmp_path / form
        done = edge.run("trace", "--id", trace_id, "-o", form, "--output", str(file))
        assert done.returncode == 0, done.stderr
        told: dict[str, Any] = json.loads(file.read_text())
        return told

    otlp = {
        span.span_id.hex(): span.end_time_unix_nano - span.start_time_unix_nano
        for resource in read_by_the_oracle(exported("otlp")).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }
    perfetto = {event["args"]["span_id"]: event["dur"] for event in check_trace_events(exported("perfetto"))}
    har = {entry.comment.split()[-1]: entry.time for entry in read_har(exported("har")).entries}
    story = edge.run("explain", trace_id).stdout
    total_ms = exported("json")["edge"]["totalMs"]

    assert otlp.keys() == perfetto.keys()
    assert len(har) >= 7  # the phone's, L7's and the five of the feed
    for span_id, took_ns in otlp.items():
        assert perfetto[span_id] == pytest.approx(took_ns / 1e3, abs=1e-3)
    for span_id, took_ms in har.items():
        # The archive shows what the caller waited for: a callee that wrote on is cut.
        assert took_ms <= otlp[span_id] / 1e6 + 1e-6
    assert max(har.values()) == pytest.approx(total_ms)
    assert f"after {total_ms:.2f} ms" in story


def test_every_sentence_of_explain_names_its_span_and_its_file(edge: Edge) -> None:
    """Nothing has to be believed."""
    trace_id = traced(edge, FEED, "--cold")["edge"]["traceId"]

    done = edge.run("explain", trace_id, COLUMNS="2000")

    sentences = re.sub(r"\n  +", " ", done.stdout).strip().splitlines()
    assert len(sentences) > 20
    assert all(re.search(r"\[.+; (edge|services)/[\w/]+\.py\]$", one) for one in sentences), done.stdout
    assert "edge/l4/distributor.py" in done.stdout
    assert "edge/l7/stages/waf.py" in done.stdout


def test_a_page_and_a_diagram_can_be_had(edge: Edge) -> None:
    """For those who were not there."""
    trace_id = traced(edge, FEED)["edge"]["traceId"]

    page = edge.run("trace", "--id", trace_id, "-o", "html").stdout
    diagram = edge.run("trace", "--id", trace_id, "-o", "mermaid").stdout

    assert page.startswith("<!doctype html>")
    assert trace_id in page
    assert diagram.startswith("sequenceDiagram\n")
    assert "feed-" in diagram


def test_a_cold_and_a_warm_request_are_compared(edge: Edge) -> None:
    """The handshake is what a kept connection saves, and the comparison says so."""
    done = edge.run("trace", FEED, "--compare", "cold", "warm")

    assert done.returncode == 0, done.stderr
    assert re.search(r"The second took [\d.]+ ms (less|longer)\.", done.stdout)
    assert re.search(r"tls handshake, which the second did not\s+need", done.stdout)


def test_on_a_pipe_the_walk_prints_every_step(edge: Edge) -> None:
    """What came in, what was decided by which rule, what went out."""
    done = edge.run("trace", FEED, "--cold", "--step")

    assert done.returncode == 0, done.stderr
    last = re.findall(r"^(\d+)/(\d+)  ", done.stdout, re.MULTILINE)[-1]
    assert last[0] == last[1]
    for word in ("came in", "decided", "went out", "the nearest healthy point of presence", "edge.lb.pick"):
        assert word in done.stdout
    assert "edge_session=(" in done.stdout
    assert "edge_session=ey" not in done.stdout


def test_a_slow_request_is_listed_and_survives_the_death_of_its_processes(edge: Edge) -> None:
    """The console gathered it whole; `kill -9` takes the rings of L7 and feed with it."""
    edge.run("fault", "add", "latency", "--at", "feed", "--ms", "700", "--for", "20s")
    trace_id = traced(edge, FEED)["edge"]["traceId"]
    edge.run("fault", "clear")

    listed = edge.run("trace", "--slow").stdout
    time.sleep(2.5)  # the console looks once a second
    for name in ("feed-1", "feed-2", "l7-mumbai-1", "l7-mumbai-2"):
        edge.kill(name)
    edge.wait_ready()
    told = edge.run("trace", "--id", trace_id).stdout

    assert trace_id in listed
    assert "700" in told or "DI" in told
    assert "ranking-1" in told
    assert re.search(r"feed-\d GET", told)
    assert trace_id in edge.run("trace", "--slow").stdout


def test_a_failed_request_is_listed(edge: Edge) -> None:
    """Which requests failed, and what is the id to ask for?"""
    edge.run("fault", "add", "error", "--at", "feed", "--status", "503", "--for", "20s")
    done = edge.run("trace", FEED)
    edge.run("fault", "clear")
    trace_id = re.search(r"edge trace --id (\w{32})", done.stdout)

    assert trace_id is not None, done.stdout + done.stderr
    assert trace_id[1] in edge.run("trace", "--failed").stdout


def test_a_refused_request_has_a_trace_that_says_which_limit(edge: Edge, phone: Phone) -> None:
    """429 is a decision, with a file and a reason."""
    phone.log_in("vint")
    refused = None
    for _ in range(600):
        reply = phone.get("/api/v1/direct_v2/inbox/")
        if reply.status == 429:
            refused = reply
            break
    assert refused is not None

    number = refused.headers["x-request-id"]
    drawn = edge.run("trace", "--id", number).stdout
    story = edge.run("explain", number).stdout

    assert "429" in drawn
    assert "ratelimit" in drawn
    assert "edge/l7/stages/ratelimit.py" in re.sub(r"\n  +", " ", story)


def test_without_the_hub_the_phone_still_tells_its_part_and_why_no_more(edge: Edge, tmp_path: Path) -> None:
    """A clear message, no stack trace, and half a waterfall is better than none."""
    alone = tmp_path / "run"
    alone.mkdir(mode=0o700)
    shutil.copy(edge.run_dir / "ca.pem", alone)
    shutil.copytree(edge.run_dir / "listen", alone / "listen")

    done = edge.run("trace", FEED, EDGE_RUN_DIR=str(alone))
    gone = edge.run("trace", "--id", "f" * 32, EDGE_RUN_DIR=str(alone))
    slow = edge.run("trace", "--slow", EDGE_RUN_DIR=str(alone))

    assert done.returncode == 0, done.stderr
    assert "tls handshake" in done.stdout
    assert "only the phone's own part is known" in done.stderr
    for refused in (gone, slow):
        assert refused.returncode == 1
        assert "no edge answers at" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_a_trace_that_nobody_remembers_is_told_so(edge: Edge) -> None:
    """Too old, or never was."""
    done = edge.run("trace", "--id", "f" * 32)

    assert done.returncode == 1
    assert "nobody remembers" in done.stderr


def test_a_trace_is_pushed_to_the_collector_that_the_environment_names(edge: Edge) -> None:
    """OTEL_EXPORTER_OTLP_ENDPOINT, as with every other program."""
    bodies: list[bytes] = []

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        endpoint = f"http://127.0.0.1:{server.server_port}"
        told = traced(edge, FEED, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
        wrong = edge.run("trace", FEED, OTEL_EXPORTER_OTLP_ENDPOINT="nowhere")
    finally:
        server.shutdown()

    request = read_by_the_oracle(json.loads(bodies[0]))
    pushed = [
        one for resource in request.resource_spans for scope in resource.scope_spans for one in scope.spans
    ]
    assert len(pushed) == len(spans_in(told))
    assert {one.trace_id.hex() for one in pushed} == {told["edge"]["traceId"]}
    assert wrong.returncode == 2
    assert "no http(s) URL" in wrong.stderr


def test_top_shows_rates_of_the_requests_that_are_being_made(edge: Edge, phone: Phone) -> None:
    """HAProxy's stats page, in a terminal and for scripts."""
    phone.log_in("grace")
    stop = threading.Event()

    def browse() -> None:
        while not stop.is_set():
            phone.get(FEED)

    thread = threading.Thread(target=browse)
    thread.start()
    try:
        rows = wait_for(lambda: _busy_rows(edge))
    finally:
        stop.set()
        thread.join()
    drawn = edge.run("top").stdout

    feed = [row for row in rows if row["service"] == "feed"]
    assert any(row["p99_ms"] for row in feed)
    assert "REQ/S" in drawn
    assert "requests/s" in drawn


def _busy_rows(edge: Edge) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(edge.run("top", "--json").stdout)["processes"]
    return rows if any(row["tier"] == "l7" and row["rate"] > 0 for row in rows) else []


def test_a_request_is_found_in_the_log_by_its_id(edge: Edge, phone: Phone) -> None:
    """Of all workers at once; and whoever was refused is told why."""
    trace_id = phone.get("/api/v1/feed/timeline/").headers["x-request-id"]

    shown = wait_for(lambda: (done := edge.run("logs", "--trace", trace_id)).stdout.count(trace_id) and done)

    assert "401" in shown.stdout
    assert "AUTH" in shown.stderr
    assert edge.run("logs", "--trace", trace_id, "--status", "5").stdout.count(trace_id) == 0


@pytest.mark.tool
@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (apt: prometheus)")
def test_promtool_has_nothing_to_say_about_the_whole_edge(edge: Edge, phone: Phone) -> None:
    """Every family that any process of ours has, and not those of a test."""
    phone.get("/api/v1/feed/timeline/")
    text = edge.run("metrics").stdout

    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )

    assert text.count("# TYPE") > 40
    assert (done.returncode, done.stderr.strip()) == (0, "")


def test_the_doctor_knows_that_the_ports_are_ours(edge: Edge) -> None:
    """A running edge is not an obstacle to itself."""
    done = edge.run("doctor", "--json")

    checks = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout
    assert not [one for one in checks if one["level"] == "fail"]
