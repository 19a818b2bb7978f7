"""Which sessions were ended before their time?  [I/O]

Workers learn of a revocation over the control channel and keep it in memory; this
file is for those that start later.  It holds token ids and when their tokens end
by themselves, and those that have ended are left out with the next write.
"""

import fcntl
from pathlib import Path

import msgpack

from edge.common.run_files import private_directory, write_atomically

# As many as a worker remembers (`edge.l7.stages.auth`).
REVOKED_MAX = 100_000


def add_revoked(run_dir: Path, jti: str, until_unix: float, unix_now: float) -> None:
    """Add one.  Safe against another process that does the same."""
    state = private_directory(private_directory(run_dir) / "state")
    with open(state / "revoked.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = {**read_revoked(run_dir, unix_now), jti: until_unix}
        newest = dict(list(known.items())[-REVOKED_MAX:])
        write_atomically(state / "revoked.msgpack", msgpack.packb(newest))


def read_revoked(run_dir: Path, unix_now: float) -> dict[str, float]:
    """Token id -> when it ends by itself, of those that matter at `unix_now`."""
    try:
        known = msgpack.unpackb((run_dir / "state" / "revoked.msgpack").read_bytes())
    except (OSError, ValueError):
        return {}
    return {str(jti): float(until) for jti, until in known.items() if until > unix_now}
