"""What has just happened, in one JSON line?  [I/O]

Events are rare (a process starts, a worker is lost, a peer sent rubbish) and go
to stdout, where honcho shows them.  The access log is not rare and has its own
writer in L7.  The names of the fields are OpenTelemetry's (see
`docs/observability`).
"""

import sys
import time
from typing import Any, TextIO

import orjson


class Log:
    """Writes one line per event; never raises because of what is in it."""

    def __init__(self, service: str, instance: str, stream: TextIO | None = None) -> None:
        self._service = service
        self._instance = instance
        self._stream = stream

    def info(self, event: str, **fields: Any) -> None:
        """Something a person may want to know."""
        self._write("INFO", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Something a person should look at."""
        self._write("WARN", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """Something that is our fault."""
        self._write("ERROR", event, fields)

    def _write(self, severity: str, event: str, fields: dict[str, Any]) -> None:
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06d}Z"
        line = orjson.dumps(
            {
                "timestamp": stamp,
                "severity_text": severity,
                "event.name": event,
                "service.name": self._service,
                "service.instance.id": self._instance,
                **fields,
            },
            default=repr,
        )
        stream = self._stream or sys.stdout
        try:
            stream.write(line.decode() + "\n")
            stream.flush()
        except (OSError, ValueError):
            # The reader of our stdout is gone (honcho was killed).  A log line is
            # never a reason to stop serving.
            pass
