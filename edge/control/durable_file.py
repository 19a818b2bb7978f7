"""What does a hub find of its predecessor, and leave to its successor?  [I/O]"""

from pathlib import Path

import msgpack
import msgspec

from edge.common.messages import Revision
from edge.common.process import Process
from edge.common.run_files import read_revision, write_atomically
from edge.control.membership import Durable

STATE_FILE = "hub-state.msgpack"


class DurableFile:
    """The file behind `Durable`; written only when something changed."""

    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / STATE_FILE
        self._written = b""

    def read(self) -> Durable:
        """What is there, or a fresh one."""
        try:
            return msgspec.convert(msgpack.unpackb(self._path.read_bytes()), Durable)
        except (OSError, ValueError, msgspec.ValidationError):
            # Nothing there, or half a file from a machine that lost power: begin anew.
            return Durable()

    def write(self, durable: Durable) -> None:
        """Replace the file's content in one step.  Raises `OSError`."""
        data: bytes = msgpack.packb(msgspec.to_builtins(durable))
        if data != self._written:
            write_atomically(self._path, data)
            self._written = data


def last_revision(process: Process) -> Revision | None:
    """The configuration that our predecessor distributed, if it still holds.

    It may be newer than the one the supervisor started with; whoever rejoins under
    the old one must hear of it.
    """
    found = read_revision(process.run_dir, not_before_unix=0.0)
    if found is not None and found[0] == process.revision:
        return Revision(revision=found[0], config=found[1])
    return None
