"""Where is it written down what the firewall found?  [I/O]

A file of JSON lines per worker, beside its access log: what the walker collected
since its last round becomes one write.  A full file is renamed once, so two files of
`FILE_BYTES_MAX` are the most that a worker leaves on disk, however long somebody
attacks.  A log that cannot be written is counted, never waited for; one that somebody
moved or deleted (logrotate does) is begun anew, or nobody would find what comes next.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from edge.common.run_files import is_in_place, private_directory

# About 8,000 requests of two matches each: enough to explain what happened today.
FILE_BYTES_MAX = 16 * 1024 * 1024


class AuditLog:
    """One worker's audit log."""

    def __init__(self, run_dir: Path, instance: str) -> None:
        self._path = run_dir / "logs" / f"waf-{instance}.jsonl"
        self._descriptor = -1
        self._bytes = 0
        self.lost = 0

    def write(self, records: Sequence[Mapping[str, Any]]) -> None:
        """One line each, in one write.  The file is made when there is something to write."""
        if not records:
            return
        data = b"".join([orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE) for record in records])
        try:
            if self._descriptor >= 0 and not is_in_place(self._path, self._descriptor):
                self.close()
            if self._descriptor < 0:
                self._open()
            self._bytes += os.write(self._descriptor, data)
            if self._bytes > FILE_BYTES_MAX:
                self._path.replace(self._path.with_suffix(".jsonl.1"))
                self.close()
        except OSError:
            self.lost += len(records)

    def close(self) -> None:
        """Let go of the file; the next line opens it again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> None:
        private_directory(self._path.parent)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, 0o600)
        self._bytes = os.fstat(self._descriptor).st_size


def audit_files(run_dir: Path) -> Iterator[Path]:
    """Every worker's files, of one worker the older first."""
    logs = run_dir / "logs"
    for path in sorted(logs.glob("waf-*.jsonl")):
        older = path.with_suffix(".jsonl.1")
        if older.exists():
            yield older
        yield path
