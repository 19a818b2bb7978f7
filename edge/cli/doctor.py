"""`edge doctor`: everything that could keep the edge from starting, looked at.  [I/O]"""

import sys
from pathlib import Path

import cyclopts
import msgspec

from edge.cli.config import config_path
from edge.cli.hub import ask, run_dir_from_environment
from edge.cli.screen import paint, say_json
from edge.common.config_file import load
from edge.common.errors import LinkLost
from edge.common.preflight import Check, check
from edge.common.preflight_facts import read_facts

app = cyclopts.App(name="doctor", help="Look at the machine: ports and their owners, limits, keys, clock.")

_MARKS = {"ok": ("✓", "32"), "warn": ("!", "33"), "fail": ("✗", "31")}


@app.default
def doctor(*, json: bool = False) -> None:
    """Show every check; exit status 1 if the edge could not start."""
    run_dir = run_dir_from_environment()
    config = load(config_path())
    checks = check(config, read_facts(config, run_dir, _our_pids(run_dir)))
    if json:
        say_json([msgspec.to_builtins(one) for one in checks])
    else:
        for one in checks:
            _say(one)
    sys.exit(1 if any(one.level == "fail" for one in checks) else 0)


def _say(one: Check) -> None:
    mark, style = _MARKS[one.level]
    print(f"{paint(mark, style)} {one.name:<14} {one.detail}")
    if one.remedy:
        print(f"  {'':<14} → {one.remedy}")


def _our_pids(run_dir: Path) -> set[int]:
    try:
        members = ask(run_dir, "status")
    except LinkLost:
        return set()
    return {int(member["pid"]) for member in members}
