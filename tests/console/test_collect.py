"""Gathering traces, over a real hub."""

from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from edge.common.process import Process
from edge.common.spans import to_wire
from edge.console.collect import collect, look
from edge.console.kept import Kept
from edge.phone.otlp_push import Exporter
from edge.phone.otlp_settings import settings_from
from tests.kit.hubs import CONFIG, running_hub, until
from tests.kit.traces import TRACE_ID, cold_feed

TOLD = {"trace_id": TRACE_ID, "status": 503, "total_ms": 30.2, "end_ns": 1, "start_ns": 0}


def console_of(run_dir: Path) -> Process:
    return Process.for_test(CONFIG, run_dir, name="console", tier="console")


def worker_of(run_dir: Path) -> Process:
    process = Process.for_test(CONFIG, run_dir, name="l7-mumbai-1", tier="l7")
    process.link.on_ask("recent", lambda args: [TOLD] if args.get("kept") else [])
    process.link.on_ask("trace", lambda args: to_wire(cold_feed() if args["trace_id"] == TRACE_ID else []))
    return process


async def test_a_failed_request_is_gathered_and_offered_to_the_collector(tmp_path: Path) -> None:
    """Once: the next look finds nothing new."""
    settings = settings_from({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})
    assert settings is not None
    exporter, kept = Exporter(settings, 0), Kept()
    offered: list[int] = []
    exporter.offer = lambda spans: offered.append(len(spans))  # type: ignore[method-assign]
    console, worker = console_of(tmp_path), worker_of(tmp_path)
    async with running_hub(tmp_path), trio.open_nursery() as nursery:
        for process in (console, worker):
            nursery.start_soon(process.link.run)
        await until(lambda: console.link.connected and worker.link.connected)

        await look(console, kept, exporter)
        await look(console, kept, exporter)
        nursery.cancel_scope.cancel()

    assert sorted(span.span_id for span in kept.find(TRACE_ID)) == sorted(one.span_id for one in cold_feed())
    assert offered == [len(cold_feed())]


async def test_the_console_answers_for_the_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks everybody asks the console, too."""
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    kept = Kept()
    kept.keep(TOLD, cold_feed())
    console = console_of(tmp_path)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(collect, console, kept)
        await trio.testing.wait_all_tasks_blocked()
        found: Any = console.link.asks["trace"]({"trace_id": TRACE_ID})
        listed: Any = console.link.asks["recent"]({"kept": True})
        nursery.cancel_scope.cancel()

    assert len(found) == len(cold_feed())
    assert listed == [TOLD]


async def test_a_wrong_variable_costs_the_export_and_not_the_console(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Telemetry must never stop what it observes."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "nowhere")
    console = console_of(tmp_path)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(collect, console, Kept())
        await trio.testing.wait_all_tasks_blocked()
        assert "trace" in console.link.asks
        nursery.cancel_scope.cancel()
