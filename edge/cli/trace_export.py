"""A trace as a file that other tools open.  [I/O]"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

import orjson

from edge.cli.screen import say_json, say_text
from edge.cli.trace_show import Trace
from edge.common.errors import ConfigError
from edge.phone import har, mermaid, otlp, page, perfetto
from edge.phone.waterfall import Waterfall

Format = Literal["har", "html", "json", "mermaid", "otlp", "perfetto"]
FORMATS: tuple[Format, ...] = get_args(Format)


def write(trace: Trace, format: Format, output: Path | None) -> None:
    """Export to `output`, or to stdout.  Raises `ConfigError` where the file cannot be written."""
    told = exported(trace, format, time.time_ns() - time.monotonic_ns())
    if output is not None:
        data = told.encode() if isinstance(told, str) else orjson.dumps(told)
        try:
            output.write_bytes(data)
        except OSError as error:
            raise ConfigError([f"--output {output}: {error.strerror}"]) from error
    elif isinstance(told, str):
        say_text(told)
    else:
        say_json(told)


def exported(trace: Trace, format: Format, unix_offset_ns: int) -> dict[str, Any] | str:
    """The trace in that format: text, or what becomes JSON."""
    made: dict[Format, Callable[[], dict[str, Any] | str]] = {
        "har": lambda: har.export(trace.tree(), unix_offset_ns),
        "html": lambda: page.export(trace.model(with_stages=True), {one.span_id: one for one in trace.spans}),
        "json": lambda: otlp.export(trace.spans, unix_offset_ns) | {"edge": sums(trace.model())},
        "mermaid": lambda: mermaid.export(trace.tree()),
        "otlp": lambda: otlp.export(trace.spans, unix_offset_ns),
        "perfetto": lambda: perfetto.export(trace.spans, unix_offset_ns),
    }
    return made[format]()


def sums(model: Waterfall) -> dict[str, Any]:
    """The waterfall's numbers.  OTLP's readers ignore keys they do not know (its specification.md)."""
    whole = model.attribution
    return {
        "traceId": model.trace_id,
        "status": model.status,
        "connection": model.connection,
        "totalMs": whole.total_ns / 1e6,
        "partsMs": {part.name: part.ns / 1e6 for part in whole.parts},
        "unattributedMs": whole.unattributed_ns / 1e6,
        "unattributedShare": whole.unattributed_share,
        "processes": model.processes,
    }
