"""What does a browser need to draw one request?

The waterfall's rows, and with each the step that it is: what came in, what was
decided and by which rule, what went out, what became of the headers.  Times are in
microseconds, because a browser has no use for more.
"""

from collections.abc import Sequence
from typing import Any

from edge.common.spans import Span
from edge.phone.hop_headers import Change
from edge.phone.prose import explain
from edge.phone.span_tree import build, rooted
from edge.phone.walk import Step, steps
from edge.phone.waterfall import Row, Waterfall, waterfall

Fact = tuple[str, str]


def picture(spans: Sequence[Span]) -> dict[str, Any]:
    """The waterfall of one trace as plain values; `spans` has at least one."""
    whole, root_id = rooted(spans)
    model = waterfall(build(whole, root_id), with_stages=True)
    told = {step.row: step for step in steps(model, whole)}
    return _plain(model) | {
        "rows": [_row(row) | {"step": _step(told[at])} for at, row in enumerate(model.rows)],
        "story": explain(model),
    }


def _plain(model: Waterfall) -> dict[str, Any]:
    return {
        "trace_id": model.trace_id,
        "title": model.title,
        "status": model.status,
        "connection": model.connection,
        "total_us": model.attribution.total_ns / 1e3,
        "unattributed_us": model.attribution.unattributed_ns / 1e3,
        "parts": [[part.name, part.ns / 1e3] for part in model.attribution.parts],
        "critical_us": model.critical_ns / 1e3,
        "saved_us": model.saved_ns / 1e3,
        "lever": model.lever,
        "processes": model.processes,
        "notes": list(model.notes),
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "depth": row.depth,
        "title": row.title,
        "text": row.text,
        "start_us": row.start_ns / 1e3,
        "end_us": row.end_ns / 1e3,
        "inner_us": [at / 1e3 for at in row.inner_ns] if row.inner_ns else None,
        "self_us": row.self_ns / 1e3,
        "critical": row.is_critical,
        "tone": row.tone,
        "why": row.why,
        "error": row.error,
    }


def _step(step: Step) -> dict[str, Any]:
    headers = step.headers
    return {
        "number": step.number,
        "came_in": _facts(step.came_in),
        "decided": _facts(step.decided),
        "went_out": _facts(step.went_out),
        "headers_in": _facts(headers.came_in),
        "headers_out": _facts(headers.went_out),
        "asked": headers.asked,
        "passed_on": _changes(headers.passed_on),
        "given_back": _changes(headers.given_back),
        "rule": step.source.rule,
        "source": step.source.path,
        "span": step.span,
    }


def _facts(facts: Sequence[Fact]) -> list[list[str]]:
    return [[name, value] for name, value in facts]


def _changes(changes: Sequence[Change]) -> list[list[str | None]]:
    return [[change.mark, change.name, change.before, change.after] for change in changes]
