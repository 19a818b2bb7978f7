"""Gather the traces worth keeping, and hand them to a collector if there is one.  [I/O]

Once a second the workers are asked which requests they keep; of the new ones the
spans are gathered from every process.  OTEL_EXPORTER_OTLP_ENDPOINT names a collector
that gets them as well (`edge.phone.otlp_push`).
"""

import os
import time
from typing import Any

import msgspec
import trio

from edge.common.errors import ConfigError, LinkLost
from edge.common.process import Process
from edge.common.spans import Span, from_wire, to_wire
from edge.console.kept import Kept
from edge.phone.otlp_push import Exporter
from edge.phone.otlp_settings import settings_from

LOOK_S = 1.0
# How far back a look goes: enough for a console that was restarted, or a hub that was away.
LOOK_BACK_NS = 30_000_000_000


async def collect(process: Process, kept: Kept) -> None:
    """Gather until cancelled; without the hub nothing is gathered, and nothing breaks."""
    link = process.link
    link.on_ask("recent", kept.recent)
    link.on_ask("trace", lambda args: to_wire(_known(process, kept, str(args.get("trace_id", "")))))
    exporter = _exporter(process)
    async with trio.open_nursery() as nursery:
        if exporter is not None:
            nursery.start_soon(exporter.run)
        told = ""
        while True:
            await trio.sleep(LOOK_S)
            try:
                await look(process, kept, exporter)
            except LinkLost:
                continue
            if exporter is not None and exporter.failure != told:
                told = exporter.failure
                process.log.warning("otlp.push", error=told, sent=exporter.sent, dropped=exporter.dropped)


async def look(process: Process, kept: Kept, exporter: Exporter | None) -> None:
    """Gather what is new, once.  Raises `LinkLost`."""
    now_ns = time.monotonic_ns()
    answers = await process.link.ask("recent", target="l7", kept=True, after_ns=now_ns - LOOK_BACK_NS)
    for told in kept.missing(answers, now_ns):
        found = await process.link.ask("trace", trace_id=told["trace_id"])
        spans = list({span.span_id: span for value in found.values() for span in _spans(value)}.values())
        kept.keep(told, spans)
        if exporter is not None:
            exporter.offer(spans)


def _known(process: Process, kept: Kept, trace_id: str) -> list[Span]:
    return process.spans.find(trace_id) + kept.find(trace_id)


def _exporter(process: Process) -> Exporter | None:
    try:
        settings = settings_from(os.environ)
    except ConfigError as error:
        # A wrong variable costs the export, not the console.
        process.log.error("otlp.settings", error="; ".join(error.problems))
        return None
    if settings is None:
        return None
    process.log.info("otlp.export", host=settings.host, port=settings.port, path=settings.path)
    return Exporter(settings, time.time_ns() - time.monotonic_ns())


def _spans(value: Any) -> list[Span]:
    try:
        return from_wire(value) if value else []
    except msgspec.ValidationError:
        return []  # a process of another version; its spans are missing, not everybody's
