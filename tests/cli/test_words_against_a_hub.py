"""Words that ask the edge, against a hub in this process and members that we play.

The words are synchronous, so each runs in a thread while the hub serves here.
"""

import contextlib
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from edge.cli import app as command_line
from edge.common.process import Process
from edge.common.spans import Span, to_wire
from tests.kit.hubs import CONFIG, running_hub, until
from tests.kit.traces import TRACE_ID, cold_feed

SLOW = {
    "trace_id": TRACE_ID,
    "method": "GET",
    "path": "/api/v1/feed/timeline/",
    "status": 200,
    "flag": "-",
    "start_ns": 1_000_000_000,
    "end_ns": 1_900_000_000,
    "total_ms": 900.0,
    "upstream": "feed-2",
}


@pytest.fixture
def run_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An edge's files, found by the environment as in a shell."""
    config = tmp_path / "edge.toml"
    config.write_text((Path(__file__).parents[2] / "edge.toml").read_text())
    for name in list(os.environ):
        if name.startswith(("EDGE_", "OTEL_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("EDGE_CONFIG", str(config))
    monkeypatch.setenv("EDGE_RUN_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "160")
    return tmp_path


@asynccontextmanager
async def edge_of(
    run_dir: Path, *members: tuple[str, str, dict[str, Callable[[Any], Any]]]
) -> AsyncIterator[None]:
    """A hub and live `members`: name, tier, and what they answer by topic."""
    async with running_hub(run_dir), trio.open_nursery() as nursery:
        for name, tier, answers in members:
            process = Process.for_test(CONFIG, run_dir, name=name, tier=tier, pop="mumbai")
            for topic, answer in answers.items():
                process.link.on_ask(topic, answer)
            process.link.change(state="live")
            nursery.start_soon(process.link.run)
            await until(lambda link=process.link: link.connected)
        yield
        nursery.cancel_scope.cancel()


async def said(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of `edge ARGUMENTS`."""

    def run() -> int:
        with contextlib.suppress(BrokenPipeError):
            try:
                command_line.build()(list(arguments))
            except SystemExit as left:
                return int(left.code or 0)
            except command_line.EdgeError as error:
                print(f"edge: {error}", file=command_line.sys.stderr)
                return 1
        return 0

    code = await trio.to_thread.run_sync(run)
    out = capfd.readouterr()
    # The hub of this process logs to the same stdout.
    ours = [line for line in out.out.splitlines(keepends=True) if " hub.member." not in line]
    return code, "".join(ours), out.err


def spans_of(service: str) -> Callable[[dict[str, Any]], Any]:
    """What the processes of one service remember of the feed."""

    def answer(args: dict[str, Any]) -> Any:
        found: list[Span] = [one for one in cold_feed() if one.service == service]
        return to_wire(found if args.get("trace_id") == TRACE_ID else [])

    return answer


def everybody() -> list[tuple[str, str, dict[str, Callable[[Any], Any]]]]:
    """The processes that took part in the feed."""
    return [
        (f"{service}-1", "service", {"trace": spans_of(service)})
        for service in ("phone", "edge-dns", "edge-l4", "edge-l7", "feed", "ranking")
    ]


async def test_the_spans_of_all_processes_become_one_waterfall(
    run_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nobody knows the whole; the command line asks everybody."""
    async with edge_of(run_dir, *everybody()):
        code, drawn, _ = await said(capfd, "trace", "--id", TRACE_ID)
        _, story, _ = await said(capfd, "explain", TRACE_ID)

    assert code == 0
    assert "30.2 ms" in drawn
    assert "l4-mumbai-a" in drawn
    assert "edge/l4/distributor.py" in story


async def test_a_trace_that_is_gone_is_an_answer_and_not_a_crash(
    run_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Exit 1 and one sentence."""
    async with edge_of(run_dir, ("l7-mumbai-1", "l7", {"trace": spans_of("edge-l7")})):
        code, out, err = await said(capfd, "trace", "--id", "f" * 32)

    assert (code, out) == (1, "")
    assert "nobody remembers" in err


async def test_slow_requests_are_listed_with_the_id_to_ask_for(
    run_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """And the failed ones, of which there are none here."""
    kept = {"recent": lambda args: [SLOW] if args.get("kept") else []}
    async with edge_of(run_dir, ("l7-mumbai-1", "l7", kept)):
        _, slow, _ = await said(capfd, "trace", "--slow")
        code, failed, why = await said(capfd, "trace", "--failed")

    assert TRACE_ID in slow
    assert (code, failed) == (0, "")
    assert "no failed request is remembered" in why


async def test_two_traces_are_compared_by_their_ids(run_dir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A trace against itself: every row twice, and no difference."""
    async with edge_of(run_dir, *everybody()):
        _, drawn, _ = await said(capfd, "trace", "--compare", TRACE_ID, TRACE_ID)
        _, told, _ = await said(capfd, "trace", "--compare", TRACE_ID, TRACE_ID, "--json")

    assert "The second took 0.00 ms longer." in drawn
    assert {row["selfDeltaMs"] for row in json.loads(told)["rows"]} == {0.0}


async def test_an_export_to_a_file_leaves_stdout_empty(
    run_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """And what is written is what stdout would have got."""
    file = run_dir / "feed.har"
    async with edge_of(run_dir, *everybody()):
        code, out, _ = await said(capfd, "trace", "--id", TRACE_ID, "-o", "har", "--output", str(file))
        _, told, _ = await said(capfd, "trace", "--id", TRACE_ID, "-o", "har")

    assert (code, out) == (0, "")
    written, shown = json.loads(file.read_bytes()), json.loads(told)
    assert [one["time"] for one in written["log"]["entries"]] == [
        one["time"] for one in shown["log"]["entries"]
    ]


async def test_top_and_status_show_who_is_there_and_who_is_missing(
    run_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """`top` for eyes, `--json` for scripts, `status` for both."""
    async with edge_of(run_dir, ("l7-mumbai-1", "l7", {})):
        _, drawn, _ = await said(capfd, "top", "--once", "--interval", "0.1")
        _, told, _ = await said(capfd, "top", "--json", "--interval", "0.1")
        code, status, _ = await said(capfd, "status", "--json")

    assert "l7-mumbai-1" in drawn
    states = {row["name"]: row["state"] for row in json.loads(told)["processes"]}
    assert (states["l7-mumbai-1"], states["feed-1"]) == ("live", "missing")
    assert code == 1
    assert json.loads(status)["ready"] is False


@pytest.mark.parametrize(
    "word", [("trace", "--slow"), ("top",), ("trace", "--id", "f" * 32), ("explain", "f" * 32)]
)
async def test_without_an_edge_each_word_says_how_to_start_one(
    run_dir: Path, capfd: pytest.CaptureFixture[str], word: tuple[str, ...]
) -> None:
    """The most frequent mistake of the first minute."""
    code, out, err = await said(capfd, *word)

    assert (code, out) == (1, "")
    assert "`make up` starts it" in err


async def test_status_without_an_edge_is_not_running(
    run_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A script waits for it, so it is an answer and not an error."""
    code, out, err = await said(capfd, "status")

    assert code == 1
    assert "not running" in err
    assert "missing" in out


async def test_doctor_shows_every_check_and_fails_only_for_what_prevents_a_start(
    run_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Exit status 1 means: it would not start."""
    code, told, _ = await said(capfd, "doctor", "--json")
    _, drawn, _ = await said(capfd, "doctor")

    checks = json.loads(told)
    assert code == int(any(one["level"] == "fail" for one in checks))
    assert all(one["name"] in drawn for one in checks)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("trace", "--cold", "--warm"), "exclude each other"),
        (("trace", "--output", "x.har"), "needs -o"),
        (("trace", "http://i.edge.test/"), "speaks https"),
        (("trace", "-H", "novalue"), "is not"),
    ],
)
async def test_bad_input_is_told_before_anything_is_asked(
    run_dir: Path, arguments: tuple[str, ...], problem: str
) -> None:
    """One sentence that says what would be right."""
    with pytest.raises(command_line.ConfigError, match=problem):
        command_line.build()(list(arguments))
