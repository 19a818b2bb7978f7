"""Where do processes leave things for each other on disk?  [I/O]

Everything at run time lives in one directory that only its owner may enter
(0700).  Small files are replaced in one step, so a reader finds the old or the
new content and never half of it.
"""

import os
from pathlib import Path

import msgpack

REVISION_FILE = "revision.msgpack"


def private_directory(path: Path) -> Path:
    """Make `path` if needed and close it to everybody else."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.chmod(0o700)
    return path


def write_atomically(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace the content of `path` in one step."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)  # the umask must not widen or narrow it
        file.write(data)
    beside.replace(path)


def read_revision(run_dir: Path, not_before_unix: float) -> tuple[str, bytes] | None:
    """The last distributed configuration, unless it is from an earlier life of the edge."""
    path = run_dir / REVISION_FILE
    try:
        if path.stat().st_mtime < not_before_unix:
            return None
        name, config = msgpack.unpackb(path.read_bytes())
    except (OSError, ValueError):
        return None
    return str(name), bytes(config)
