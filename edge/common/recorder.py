"""Write down a piece of work as a span of this process.  [I/O]

One per process.  Clocks and dice live here, so that whoever records says only
what was done, from when, and for which trace.
"""

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

from edge.common.spans import INTERNAL, Attribute, Span, SpanRing
from edge.common.trace import TraceContext, new_context

now_ns = time.monotonic_ns


def new_span_id() -> str:
    """Sixteen hex digits; ids need to differ, not to be unguessable."""
    return f"{random.getrandbits(64) or 1:016x}"


def new_trace() -> TraceContext:
    """A trace that begins in this process."""
    return new_context(os.urandom(24))


class Recorder:
    """Fills in who we are."""

    def __init__(self, ring: SpanRing, service: str, instance: str, pid: int) -> None:
        self._ring = ring
        self._service = service
        self._instance = instance
        self._pid = pid

    def record(
        self,
        trace: TraceContext,
        parent_id: str,
        name: str,
        kind: int,
        start_ns: int,
        *,
        end_ns: int | None = None,
        error: str = "",
        attributes: dict[str, Attribute],
    ) -> None:
        """Remember the span `trace.span_id`, from `start_ns` to `end_ns` or now."""
        self._ring.add(
            Span(
                trace_id=trace.trace_id,
                span_id=trace.span_id,
                parent_id=parent_id,
                name=name,
                service=self._service,
                instance=self._instance,
                pid=self._pid,
                kind=kind,
                start_ns=start_ns,
                end_ns=now_ns() if end_ns is None else end_ns,
                error=error,
                attributes=attributes,
            )
        )

    @contextmanager
    def internal(self, parent: TraceContext, name: str) -> Iterator[dict[str, Attribute]]:
        """A span around the block; what the block puts into the dict becomes its attributes."""
        attributes: dict[str, Attribute] = {}
        start_ns = now_ns()
        error = ""
        try:
            yield attributes
        except BaseException as raised:
            # Also for a cancellation: work that was given up is what one looks for.
            error = type(raised).__name__
            raise
        finally:
            child = parent.child(new_span_id())
            self.record(child, parent.span_id, name, INTERNAL, start_ns, error=error, attributes=attributes)
