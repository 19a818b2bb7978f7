"""`edge top`: what every process does, redrawn every second.  [I/O]"""

import sys
import time
from pathlib import Path
from typing import Annotated

import cyclopts
import msgspec

from edge.cli.config import config_path
from edge.cli.hub import ask, run_dir_from_environment
from edge.cli.screen import say_json, table_lines
from edge.cli.top_report import HEAD, Look, lines, rows, styles, totals
from edge.common.config_file import load
from edge.common.errors import LinkLost
from edge.common.messages import Member
from edge.supervise.formation import Spec, formation

# Home, then clear what is left of each line and below: no flicker, unlike a full clear.
_HOME, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
_CLEAR_ALL = "\x1b[2J"
INTERVAL_MIN_S = 0.1
# A rate over less than this is noise, and over much more the person waits for nothing.
FIRST_LOOK_S = 0.5

app = cyclopts.App(name="top", help="Watch every process live: rates, errors, percentiles, checks, faults.")


@app.default
def top(
    *,
    interval: float = 1.0,
    once: Annotated[bool, cyclopts.Parameter(negative=())] = False,
    json: Annotated[bool, cyclopts.Parameter(negative=())] = False,
) -> None:
    """Redraw the table every INTERVAL seconds until Ctrl-C.

    Rates and percentiles are of the time since the last look.  On a pipe, with --once
    or with --json the edge is looked at twice and the table printed once.
    """
    run_dir = run_dir_from_environment()
    expected = formation(load(config_path()))
    live = sys.stdout.isatty() and not once and not json
    pause_s = max(INTERVAL_MIN_S, interval)
    before = _look(run_dir)
    time.sleep(min(pause_s, FIRST_LOOK_S))
    if live:
        sys.stdout.write(_CLEAR_ALL)
    while True:
        try:
            after = _look(run_dir)
        except LinkLost as lost:
            if not live:
                raise
            # The hub comes back within a second, and so do the numbers.
            _draw([str(lost)])
            time.sleep(pause_s)
            continue
        if json:
            say_json({"seconds": after.at_s - before.at_s, "processes": rows(before, after, expected)})
            return
        text = _table(before, after, expected, run_dir)
        if not live:
            print("\n".join(text))
            return
        _draw(text)
        before = after
        time.sleep(pause_s)


def _look(run_dir: Path) -> Look:
    """Ask everybody.  Raises `LinkLost`."""
    return Look(
        at_s=time.monotonic(),
        members=msgspec.convert(ask(run_dir, "status"), list[Member]),
        metrics=ask(run_dir, "metrics"),
        stats=ask(run_dir, "stats"),
        faults=ask(run_dir, "faults"),
    )


def _table(before: Look, after: Look, expected: tuple[Spec, ...], run_dir: Path) -> list[str]:
    found = rows(before, after, expected)
    bans = len(ask(run_dir, "bans"))
    drawn = table_lines(HEAD, lines(found, time.time()), styles(found))
    return [*drawn, "", f"{totals(found, bans)}   {time.strftime('%H:%M:%S')}"]


def _draw(text: list[str]) -> None:
    sys.stdout.write(_HOME + "".join(f"{line}{_CLEAR_LINE}\n" for line in text) + _CLEAR_BELOW)
    sys.stdout.flush()
