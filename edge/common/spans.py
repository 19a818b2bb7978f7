"""What did this process do for that request, and when?

A span is one piece of work with a beginning and an end on CLOCK_MONOTONIC,
which is one clock for every process of a machine, so spans of ten processes
line up without adjustment.  Each process keeps its latest spans in a ring and
tells nobody; `edge trace` asks everybody when it wants to know.  A span thus
costs one append while nobody looks.

State: `SpanRing`, at most `spans_max` spans of `traces_max` traces; the oldest
trace goes first.
"""

from typing import Any

import msgspec
from msgspec import Struct

INTERNAL, SERVER, CLIENT = 1, 2, 3  # the numbers of OTLP's SpanKind

Attribute = str | int | float | bool


class Span(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One piece of work; times in nanoseconds of CLOCK_MONOTONIC."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    service: str  # OpenTelemetry's service.name
    instance: str  # service.instance.id: our process name
    pid: int
    kind: int = INTERNAL
    start_ns: int
    end_ns: int
    error: str = ""
    attributes: dict[str, Attribute] = {}


def to_wire(spans: list[Span]) -> Any:
    """Plain values for an `Answer`."""
    return msgspec.to_builtins(spans)


def from_wire(value: Any) -> list[Span]:
    """Spans out of an `Answer`.  Raises `msgspec.ValidationError`."""
    return msgspec.convert(value, list[Span])


class SpanRing:
    """The latest spans, found by trace."""

    def __init__(self, traces_max: int = 4096, spans_per_trace_max: int = 256) -> None:
        self._traces_max = traces_max
        self._spans_per_trace_max = spans_per_trace_max
        self._by_trace: dict[str, list[Span]] = {}  # insertion order is age

    def add(self, span: Span) -> None:
        """Remember `span`; the oldest trace is forgotten when there is no room."""
        known = self._by_trace.get(span.trace_id)
        if known is None:
            while len(self._by_trace) >= self._traces_max:
                del self._by_trace[next(iter(self._by_trace))]
            self._by_trace[span.trace_id] = [span]
        elif len(known) < self._spans_per_trace_max:
            # A phone may name one trace id for ever; it gets a bounded list of its own.
            known.append(span)

    def find(self, trace_id: str) -> list[Span]:
        """The spans of one trace, in the order they ended."""
        return list(self._by_trace.get(trace_id, ()))

    def __len__(self) -> int:
        return len(self._by_trace)
