"""Where do processes leave things for each other on disk?  [I/O]

Everything at run time lives in one directory that only its owner may enter
(0700).  Small files are replaced in one step, so a reader finds the old or the
new content and never half of it.
"""

import os
from pathlib import Path
from typing import Any

import msgpack

REVISION_FILE = "revision.msgpack"
SCALE_FILE = "scale.msgpack"


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


def is_in_place(path: Path, descriptor: int) -> bool:
    """Whether the open file is still the one at `path`, which people move and delete."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except OSError:
        return False


def read_revision(run_dir: Path, not_before_unix: float) -> tuple[str, bytes] | None:
    """The last distributed configuration, unless it is from an earlier life of the edge."""
    try:
        name, config = _unpacked(run_dir / REVISION_FILE, not_before_unix)
    except (OSError, ValueError, TypeError):
        return None
    return str(name), bytes(config)


def read_scale(run_dir: Path, not_before_unix: float) -> dict[str, int]:
    """How many processes of which kind the operator wants, beside what edge.toml says."""
    try:
        wanted = _unpacked(run_dir / SCALE_FILE, not_before_unix)
        return {str(kind): int(count) for kind, count in wanted.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def write_scale(run_dir: Path, wanted: dict[str, int]) -> None:
    """For the supervisors, who are told by SIGHUP to look."""
    write_atomically(run_dir / SCALE_FILE, msgpack.packb(wanted))


def _unpacked(path: Path, not_before_unix: float) -> Any:
    if path.stat().st_mtime < not_before_unix:
        raise ValueError("from an earlier life of the edge")
    return msgpack.unpackb(path.read_bytes())
