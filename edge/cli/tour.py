"""`edge tour`: the guided tour, and the command that keeps it true.  [I/O]"""

import os
import subprocess
import sys
from pathlib import Path

import cyclopts

from edge.cli.tour_text import missing, pieces, replaced, tidy

TOUR = Path(__file__).parents[2] / "docs" / "tour.md"
COMMAND_TIMEOUT_S = 60.0

app = cyclopts.App(name="tour", help="From 'pull to refresh' to the feed and back, a command at a time.")


@app.default
def tour(*, write: bool = False) -> None:
    """Print the tour; with --write, run its commands against the running edge and renew its output."""
    text = TOUR.read_text()
    if not write:
        print(text)
        return
    outputs = [output_of(piece.command) for piece in pieces(text)]
    for piece, output in zip(pieces(text), outputs, strict=True):
        for word in missing(piece, tidy(output)):
            print(f"edge {' '.join(piece.command)}: does not show {word!r} any more", file=sys.stderr)
            sys.exit(1)
    TOUR.write_text(replaced(text, outputs))
    print(f"{len(outputs)} pieces of {TOUR} are new")


def output_of(command: tuple[str, ...]) -> str:
    """What `edge COMMAND` prints into a pipe."""
    done = subprocess.run(
        [sys.executable, "-m", "edge", *command],
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        env=os.environ | {"NO_COLOR": "1", "COLUMNS": "116"},
        check=False,
    )
    return done.stdout + done.stderr
