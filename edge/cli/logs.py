"""`edge logs`: what was asked, by whom, and what came of it.  [I/O]"""

import sys
import time
from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import Parameter

from edge.cli.hub import run_dir_from_environment
from edge.cli.log_lines import HEAD, TAIL_BYTES_MAX, Line, in_time, parse, row, wanted, why
from edge.cli.screen import say_json, say_table
from edge.common.errors import EdgeError

FOLLOW_S = 0.3

app = cyclopts.App(name="logs", help="The access log of every worker, as one list.")


@app.default
def logs(
    *,
    trace: str = "",
    status: str = "",
    path: str = "",
    number: Annotated[int, Parameter(name=["--number", "-n"])] = 20,
    follow: Annotated[bool, Parameter(name=["--follow", "-f"], negative=())] = False,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """The latest requests, the newest last; `edge trace --id TRACE` draws one.

    Parameters
    ----------
    trace
        Of this trace: its id, or how it begins.
    status
        With this status: 404, 5 for all of 5xx, 4-5 for a range.
    path
        Whose path contains this.
    number
        So many.
    follow
        Go on as they happen; Ctrl-C ends it.
    json
        The lines as they stand in the files.
    """
    tails = {file: _Tail(file) for file in _files()}
    if not tails:
        raise EdgeError(f"there is no access log in {run_dir_from_environment()}; is `access-log` off?")
    found = [line for tail in tails.values() for line in tail.read() if wanted(line, trace, status, path)]
    _say(in_time(found)[-max(1, number) :], as_json=json, with_head=True)
    while follow:
        time.sleep(FOLLOW_S)
        for file in _files():
            tails.setdefault(file, _Tail(file))
        fresh = [line for tail in tails.values() for line in tail.read() if wanted(line, trace, status, path)]
        _say(in_time(fresh), as_json=json, with_head=False)


def _files() -> list[Path]:
    return sorted((run_dir_from_environment() / "logs").glob("access-*.jsonl"))


def _say(lines: list[Line], *, as_json: bool, with_head: bool) -> None:
    if as_json:
        for line in lines:
            say_json(line)
    elif with_head:
        say_table(HEAD, [row(line) for line in lines])
        for reason in dict.fromkeys(f"{line.get('edge.flag')}: {why(line)}" for line in lines if why(line)):
            print(f"  {reason}", file=sys.stderr)
    else:
        for line in lines:
            print("  ".join([*row(line), why(line)]).rstrip(), flush=True)


class _Tail:
    """One file, read from where we were; a file that shrank is a new one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = -1

    def read(self) -> list[Line]:
        try:
            with self._path.open("rb") as file:
                size = file.seek(0, 2)
                if self._at < 0 or size < self._at:
                    self._at = max(0, size - TAIL_BYTES_MAX) if self._at < 0 else 0
                file.seek(self._at)
                data = file.read(TAIL_BYTES_MAX)
        except FileNotFoundError:
            return []
        # A line that is still being written is read when it is whole.
        whole = data.rfind(b"\n") + 1
        self._at += whole
        return parse(data[:whole])
