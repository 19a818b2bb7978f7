"""`edge status`: every process of this edge, and whether all of it is ready.  [I/O]"""

import sys
import time
from pathlib import Path
from typing import Any

import cyclopts

from edge.cli.config import config_path
from edge.cli.hub import ask, run_dir_from_environment
from edge.cli.screen import paint, say_json, say_table
from edge.cli.status_report import HEAD, report, rows, styles, summary
from edge.common.config_file import load
from edge.common.errors import LinkLost
from edge.supervise.formation import Spec, formation

POLL_S = 0.1

app = cyclopts.App(name="status", help="List every process; exit 0 only when all of it is ready.")


@app.default
def status(*, json: bool = False, wait: float = 0.0) -> None:
    """List every process with tier, POP, pid, state and load.

    Exit status 0 only when every process of the configuration is live, 1 when
    not; with --wait SECONDS it may become so.
    """
    run_dir = run_dir_from_environment()
    expected = formation(load(config_path()))
    deadline = time.monotonic() + wait
    state = read(run_dir, expected)
    while not state["ready"] and time.monotonic() < deadline:
        time.sleep(POLL_S)
        state = read(run_dir, expected)
    if json:
        say_json(state)
    else:
        say_table(HEAD, rows(state["processes"], time.time()), styles(state["processes"]))
        print(paint(summary(state), "32" if state["ready"] else "31"), file=sys.stderr)
    sys.exit(0 if state["ready"] else 1)


def read(run_dir: Path, expected: tuple[Spec, ...]) -> dict[str, Any]:
    """The state of the edge now; without a hub nothing is known to be live."""
    try:
        members = ask(run_dir, "status")
    except LinkLost:
        members = []
    return report(expected, members)
