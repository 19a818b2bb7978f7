"""Where does the access log go?  [I/O]

The worker hands over the requests of a quarter of a second at a time, and they
become one write to a file per worker, which
is renamed once when it is full: two files of `FILE_BYTES_MAX` are the most a
worker leaves on disk.  A log that cannot be written is counted, never waited for.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from edge.common.run_files import is_in_place, private_directory
from edge.l7.access_line import AccessLines
from edge.l7.record import Record

FILE_BYTES_MAX = 64 * 1024 * 1024


class AccessLog:
    """One worker's access log."""

    def __init__(
        self, run_dir: Path, instance: str, pop: str, mode: Literal["file", "stdout", "off"]
    ) -> None:
        self._lines = AccessLines(instance, pop)
        self._mode = mode
        self._path = run_dir / "logs" / f"access-{instance}.jsonl"
        self._descriptor = -1
        self._bytes = 0
        self.lost = 0
        self._looked_s = -1  # the second in which we last looked whether the file is still there
        if mode == "stdout":
            self._descriptor = 1
        elif mode == "file":
            private_directory(self._path.parent)
            self._open()

    def write(self, records: Sequence[Record]) -> None:
        """One line each, in one write."""
        if self._mode == "off" or not records:
            return
        lines = []
        line = self._lines.line
        second, text = -1, ""
        for record in records:
            whole = int(record.unix_s)
            if whole != second:
                second, text = whole, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
            lines.append(line(record, text, int((record.unix_s - whole) * 1e6)))
        data = b"".join(lines)
        if self._mode == "file" and second != self._looked_s:
            # Once a second at most: logrotate moves a file away, and people delete them.
            self._looked_s = second
            if self._descriptor >= 0 and not is_in_place(self._path, self._descriptor):
                self.close()
                self._open()
        try:
            self._bytes += os.write(self._descriptor, data)
        except OSError:
            self.lost += len(records)
        if self._mode == "file" and self._bytes > FILE_BYTES_MAX:
            self._rotate()

    def close(self) -> None:
        """Let go of the file."""
        if self._mode == "file" and self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        try:
            self._descriptor = os.open(self._path, flags, 0o600)
            self._bytes = os.fstat(self._descriptor).st_size
        except OSError:
            self._descriptor = -1

    def _rotate(self) -> None:
        try:
            self._path.replace(self._path.with_suffix(".jsonl.1"))
        except OSError:
            pass
        os.close(self._descriptor)
        self._open()
