"""Which lines of the access log does somebody want, and how does a person read one?

Every worker writes a file of its own, a JSON object a line; a person wants one list,
in the order of time, of the requests that matter now.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

Line = Mapping[str, Any]
# A file grows for as long as nobody rotates it; the end is what somebody wants.
TAIL_BYTES_MAX = 4 * 1024 * 1024

_COLUMNS = (
    ("TIME", "timestamp"), ("WORKER", "service.instance.id"), ("STATUS", "http.response.status_code"),
    ("METHOD", "http.request.method"), ("PATH", "url.path"), ("MS", "ta_ms"), ("ENDPOINT", "edge.upstream"),
    ("FLAG", "edge.flag"), ("CLIENT", "client.address"), ("TRACE", "trace_id"),
)  # fmt: skip
HEAD = tuple(title for title, _ in _COLUMNS)
_PATH_CHARS_MAX = 44


def parse(data: bytes) -> list[Line]:
    """Every whole line that is an object; a half one at either end is left out."""
    found: list[Line] = []
    for raw in data.split(b"\n"):
        try:
            line = orjson.loads(raw)
        except orjson.JSONDecodeError:
            continue
        if isinstance(line, dict):
            found.append(line)
    return found


def wanted(line: Line, trace: str, status: str, path: str) -> bool:
    """Does `line` fit?  `status` may be "404", "5" for 5xx or "4-5" for a range of hundreds."""
    if trace and not str(line.get("trace_id", "")).startswith(trace.lower()):
        return False
    if path and path not in str(line.get("url.path", "")):
        return False
    return not status or _fits(str(line.get("http.response.status_code", "")), status)


def _fits(status: str, asked: str) -> bool:
    first, dash, last = asked.partition("-")
    if dash:
        return first <= status[:1] <= last
    return status.startswith(asked)


def in_time(lines: Iterable[Line]) -> list[Line]:
    """One list out of several files'."""
    return sorted(lines, key=lambda line: str(line.get("timestamp", "")))


def row(line: Line) -> tuple[str, ...]:
    """The line's cells under `HEAD`."""
    return tuple(_cell(key, line.get(key)) for _, key in _COLUMNS)


def why(line: Line) -> str:
    """The sentence that goes with what the edge answered by itself; empty for the others."""
    return str(line.get("edge.why") or "")


def _cell(key: str, value: Any) -> str:
    if value in (None, ""):
        return "-"
    if key == "timestamp":
        return str(value)[11:23]  # the time of day, in UTC, to the millisecond
    if key == "url.path" and len(str(value)) > _PATH_CHARS_MAX:
        return f"{str(value)[: _PATH_CHARS_MAX - 1]}…"
    return f"{value:.1f}" if key == "ta_ms" else str(value)
