"""What has just happened, in one line?  [I/O]

Events are rare (a process starts, a worker is lost, a peer sent rubbish) and go
to stdout, where honcho shows them: as text for people, or as JSON with
OpenTelemetry's names where `log = "json"` asks for it.  The access log is not
rare and has its own writer in L7.
"""

import sys
import time
from typing import Any, Literal, TextIO

import orjson

LogForm = Literal["text", "json"]


class Log:
    """Writes one line per event; never raises because of what is in it."""

    def __init__(
        self, service: str, instance: str, form: LogForm = "json", stream: TextIO | None = None
    ) -> None:
        self._service = service
        self._instance = instance
        self._form = form
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
        write = self._as_text if self._form == "text" else self._as_json
        line = write(severity, event, fields)
        stream = self._stream or sys.stdout
        try:
            stream.write(line + "\n")
            stream.flush()
        except (OSError, ValueError):
            # The reader of our stdout is gone (honcho was killed).  A log line is
            # never a reason to stop serving.
            pass

    def _as_json(self, severity: str, event: str, fields: dict[str, Any]) -> str:
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06d}Z"
        line = {
            "timestamp": stamp,
            "severity_text": severity,
            "event.name": event,
            "service.name": self._service,
            "service.instance.id": self._instance,
            **fields,
        }
        return orjson.dumps(line, default=repr).decode()

    def _as_text(self, severity: str, event: str, fields: dict[str, Any]) -> str:
        # Whatever a peer sent may be in a field: no control byte reaches a terminal.
        told = " ".join(f"{key}={_printable(value)}" for key, value in fields.items())
        mark = "" if severity == "INFO" else f"{severity} "
        return f"{self._instance:<16} {mark}{event} {told}".rstrip()


def _printable(value: object) -> str:
    text = str(value)
    return text if text.isprintable() else ascii(text)
