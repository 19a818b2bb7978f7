"""`edge top`: the status table, redrawn every second.  [I/O]"""

import sys
import time

import cyclopts

from edge.cli.config import config_path
from edge.cli.hub import run_dir_from_environment
from edge.cli.screen import table_lines
from edge.cli.status import read
from edge.cli.status_report import HEAD, rows, styles, summary
from edge.common.config_file import load
from edge.supervise.formation import formation

# Home, then clear what is left of each line and below: no flicker, unlike a full clear.
_HOME, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
_CLEAR_ALL = "\x1b[2J"

app = cyclopts.App(name="top", help="Watch every process live.")


@app.default
def top(*, interval: float = 1.0, once: bool = False) -> None:
    """Redraw the table of processes every INTERVAL seconds until Ctrl-C; --once draws it once."""
    run_dir = run_dir_from_environment()
    expected = formation(load(config_path()))
    live = sys.stdout.isatty() and not once
    if live:
        sys.stdout.write(_CLEAR_ALL)
    while True:
        state = read(run_dir, expected)
        processes = state["processes"]
        lines = table_lines(HEAD, rows(processes, time.time()), styles(processes))
        lines += ["", f"{summary(state)}   {time.strftime('%H:%M:%S')}"]
        if not live:
            print("\n".join(lines))
            return
        sys.stdout.write(_HOME + "".join(f"{line}{_CLEAR_LINE}\n" for line in lines) + _CLEAR_BELOW)
        sys.stdout.flush()
        time.sleep(max(0.1, interval))
