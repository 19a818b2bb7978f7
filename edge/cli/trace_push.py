"""Hand a trace that was just drawn to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names.  [I/O]"""

import os
import sys
import time
from collections.abc import Sequence

import trio

from edge.common.spans import Span
from edge.phone.otlp_push import Exporter, PushFailed
from edge.phone.otlp_settings import settings_from


def push_if_wanted(spans: Sequence[Span]) -> None:
    """Send `spans`, if the environment names a collector; a failure is told and not fatal.

    Raises `ConfigError` for variables that make no sense.
    """
    settings = settings_from(os.environ)
    if settings is None:
        return
    exporter = Exporter(settings, time.time_ns() - time.monotonic_ns())
    exporter.offer(spans)
    try:
        trio.run(exporter.flush)
    except PushFailed as failed:
        print(f"edge trace: {failed}", file=sys.stderr)
