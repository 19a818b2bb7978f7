"""`edge scale`: more or fewer processes of a kind, without a restart.  [I/O]

The number goes into a file, their supervisor is told to look at it, and we wait
until the hub knows as many as there are to be.
"""

import os
import signal
import time
from pathlib import Path
from typing import Any

from edge.cli.config import config_path
from edge.cli.hub import CommandRefused, ask, run_dir_from_environment
from edge.common.config_file import load
from edge.common.run_files import read_scale, write_scale
from edge.supervise.formation import supervised_by
from edge.supervise.scale import kinds, scaled, tier_of

# A newcomer is there in half a second; who leaves may take its whole drain.
PATIENCE_S = 20.0


def scale(kind: str, count: int) -> None:
    """Have COUNT processes of KIND: a service ("feed"), or a POP's workers ("l7-mumbai").

    Newcomers get work as soon as they are live; the last ones are drained first.  It
    holds until the edge ends: the number to start with is in edge.toml.
    """
    config = load(config_path())
    run_dir = run_dir_from_environment()
    # A number from an earlier life of this edge would be older than its hub's socket.
    known = read_scale(
        run_dir, (run_dir / "control.sock").stat().st_mtime if _is_up(run_dir) else time.time()
    )
    wanted = known | {kind: count}
    tier = tier_of(kind, config)
    names = {
        spec.name
        for spec in supervised_by(scaled(config, wanted), "services" if tier == "service" else tier)
        if spec.name.rpartition("-")[0] == kind
    }
    supervisor = _supervisor(kind)
    write_scale(run_dir, wanted)
    os.kill(supervisor, signal.SIGHUP)
    _await(kind, names)
    before = kinds(scaled(config, known)).get(kind)
    print(f"{kind}: {before} -> {count} ({', '.join(sorted(names))})")


def _is_up(run_dir: Path) -> bool:
    return (run_dir / "control.sock").exists()


def _of_kind(kind: str) -> dict[str, dict[str, Any]]:
    members: list[dict[str, Any]] = ask(run_dir_from_environment(), "status")
    return {member["name"]: member for member in members if member["name"].rpartition("-")[0] == kind}


def _supervisor(kind: str) -> int:
    """Whose child is any process of this kind?"""
    for member in _of_kind(kind).values():
        try:
            status = Path(f"/proc/{member['pid']}/status").read_text()
        except OSError:
            continue  # it died just now, or runs on another host
        return int(status.partition("\nPPid:")[2].split()[0])
    raise CommandRefused(f"no process of {kind} runs on this host")


def _await(kind: str, names: set[str]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        live = {name for name, member in _of_kind(kind).items() if member.get("state") == "live"}
        if live == names:
            return
        time.sleep(0.05)
    raise CommandRefused(f"{kind} has {', '.join(sorted(live))} after {PATIENCE_S:.0f} s")
