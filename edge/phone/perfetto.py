"""The trace for ui.perfetto.dev and chrome://tracing.

The Trace Event Format ("Trace Event Format", Google, 2016): complete events ("X")
with microseconds, on threads of processes.  Each process of the edge is a process
there.  On one thread slices must nest, and a viewer takes what nests for a part of what
is around it; so a span shares a thread, which we call a lane, only with those it is a
part of, and the calls of a fan-out lie on lanes of their own.  An arrow (flow, "s" to
"f") leads from each call to its callee.

Times are CLOCK_MONOTONIC, as everywhere here, so that two exports can be loaded
side by side; `otherData` has the offset to Unix time.
"""

from collections.abc import Iterable
from typing import Any

from edge.common.spans import CLIENT, SERVER, Span


def export(spans: Iterable[Span], unix_offset_ns: int) -> dict[str, Any]:
    """A JSON object of the Trace Event Format."""
    in_time = sorted(spans, key=lambda span: (span.start_ns, -span.end_ns))
    numbers: dict[tuple[str, int], int] = {}
    lanes: dict[int, list[list[Span]]] = {}
    places: dict[str, tuple[int, int]] = {}
    events: list[dict[str, Any]] = []
    by_id = {span.span_id: span for span in in_time}
    for span in in_time:
        number = numbers.setdefault((span.instance, span.pid), len(numbers) + 1)
        lane = _lane(lanes.setdefault(number, []), span, by_id)
        places[span.span_id] = (number, lane)
        events.append(_slice(span, number, lane))
    for span in in_time:
        events += _arrow(span, places, by_id)
    heads = [
        event for (instance, pid), number in numbers.items() for event in _process(instance, pid, number)
    ]
    heads += [
        _meta("thread_name", number, lane, name="requests" if lane == 1 else f"beside it ({lane - 1})")
        for number, found in lanes.items()
        for lane in range(1, len(found) + 1)
    ]
    return {
        "displayTimeUnit": "ms",
        "otherData": {"clock": "CLOCK_MONOTONIC", "unix_offset_ns": str(unix_offset_ns)},
        "traceEvents": heads + events,
    }


def _lane(lanes: list[list[Span]], span: Span, by_id: dict[str, Span]) -> int:
    """The first lane on which `span` may lie, counted from 1; each lane is the stack of what is open."""
    for number, stack in enumerate(lanes, start=1):
        while stack and stack[-1].end_ns <= span.start_ns:
            stack.pop()
        if not stack or (span.end_ns <= stack[-1].end_ns and _is_part_of(span, stack[-1], by_id)):
            stack.append(span)
            return number
    lanes.append([span])
    return len(lanes)


def _is_part_of(span: Span, whole: Span, by_id: dict[str, Span]) -> bool:
    seen: set[str] = set()  # careless processes may tell of a cycle
    parent_id = span.parent_id
    while parent_id in by_id and parent_id not in seen:
        if parent_id == whole.span_id:
            return True
        seen.add(parent_id)
        parent_id = by_id[parent_id].parent_id
    return False


def _slice(span: Span, number: int, lane: int) -> dict[str, Any]:
    told: dict[str, Any] = {
        "span_id": span.span_id,
        "parent_id": span.parent_id,
        "trace_id": span.trace_id,
        "pid": span.pid,
        **span.attributes,
    }
    if span.error:
        told["error"] = span.error
    return {
        "ph": "X",
        "name": span.name,
        "cat": span.service,
        "ts": span.start_ns / 1e3,
        "dur": (span.end_ns - span.start_ns) / 1e3,
        "pid": number,
        "tid": lane,
        "args": told,
    }


def _arrow(span: Span, places: dict[str, tuple[int, int]], known: dict[str, Span]) -> list[dict[str, Any]]:
    caller = known.get(span.parent_id)
    if span.kind != SERVER or caller is None or caller.kind != CLIENT:
        return []
    common = {"name": "call", "cat": "call", "id": span.span_id}
    from_place, to_place = places[caller.span_id], places[span.span_id]
    # Both ends of an arrow must lie in their slices, or the viewer drops it.
    begin_ns = min(max(span.start_ns, caller.start_ns), caller.end_ns)
    return [
        {"ph": "s", "ts": begin_ns / 1e3, "pid": from_place[0], "tid": from_place[1], **common},
        {
            "ph": "f",
            "bp": "e",
            "ts": span.start_ns / 1e3,
            "pid": to_place[0],
            "tid": to_place[1],
            **common,
        },
    ]


def _process(instance: str, pid: int, number: int) -> list[dict[str, Any]]:
    return [
        _meta("process_name", number, 0, name=f"{instance} (pid {pid})" if pid else instance),
        # In the order in which the request met them.
        _meta("process_sort_index", number, 0, sort_index=number),
    ]


def _meta(kind: str, number: int, lane: int, /, **args: str | int) -> dict[str, Any]:
    return {"ph": "M", "name": kind, "pid": number, "tid": lane, "args": args}
