"""`python -m bench [--quick] [--rows l7-hot,tls-full]`: run, print, keep.  [I/O]

Each row is written down when it is done, so a run that dies keeps what it has; the
last whole run is replaced only by a whole one.
"""

import argparse
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import orjson

from bench.contender import CORES, raise_descriptors_max
from bench.machine import describe
from bench.measure import Bench, progress
from bench.peers import nginx, pythons
from bench.plot import plot
from bench.rows.every import QUICK, ROWS
from bench.table import Row, page, summary
from edge.common.config import Config
from edge.supervise.keys import ensure_keys

RESULTS = Path(__file__).parent / "results"
# Where a run leaves what is not to be committed.
ASIDE = Path(".bench") / "last"
ROUNDS, SECONDS = 3, 2.0
QUICK_ROUNDS = 2
# Without these there is nothing to measure with, or against.
NEEDED = {"wrk": "wrk", "taskset": "util-linux", "nginx": "nginx"}


def main() -> int:
    """Run the rows that were asked for; returns the exit status."""
    options = _options()
    if missing := [tool for tool in NEEDED if shutil.which(tool) is None]:
        packages = " ".join(NEEDED[tool] for tool in missing)
        print(f"bench: needs {', '.join(missing)} (Debian: apt-get install {packages})", file=sys.stderr)
        return 2
    if len(CORES) < 2:
        print("bench: needs two cores, one for the load and one for what is loaded", file=sys.stderr)
        return 2
    wanted = options.rows.split(",") if options.rows else QUICK if options.quick else tuple(ROWS)
    if unknown := [name for name in wanted if name not in ROWS]:
        print(f"bench: no row is called {', '.join(unknown)}; there are {', '.join(ROWS)}", file=sys.stderr)
        return 2
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    began = time.monotonic()
    about = describe() | {
        "date": time.strftime("%Y-%m-%d"),
        "rounds": f"{options.rounds} of {options.seconds:g} s a contender, after one that does not count",
        "descriptors": f"{raise_descriptors_max():,} a process",
    }
    rows: list[Row] = []
    complete = False
    options.into.mkdir(parents=True, exist_ok=True)
    try:
        for row in _run(wanted, options):
            rows.append(row)
            _write(rows, about, options.into, "partial")
        complete = True
    except KeyboardInterrupt:
        print("\nbench: interrupted; everything it started is stopped", file=sys.stderr)
    about |= pythons.versions() | {"took": f"{(time.monotonic() - began) / 60:.1f} minutes"}
    if rows:
        _write(rows, about, options.into, "latest" if complete else "partial")
        print(page(rows, about))
        print(f"bench: kept in {options.into}, after {about['took']}", file=sys.stderr)
    if complete:
        for left in options.into.glob("partial.*"):
            left.unlink()
    failed = [row.name for row in rows if not row.turns]
    if failed:
        print(f"bench: nothing came of {', '.join(failed)}", file=sys.stderr)
    return 130 if not complete else 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the most telling rows, two rounds")
    parser.add_argument("--rows", default="", help=f"some of: {', '.join(ROWS)}")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of one turn; whole ones")
    parser.add_argument("--keep", action="store_true", help="write the results into bench/results")
    parser.add_argument("--into", type=Path, default=None, help=f"or into this folder (default {ASIDE})")
    options = parser.parse_args()
    options.into = (options.into or (RESULTS if options.keep else ASIDE)).absolute()
    options.rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    return options


def _run(wanted: Sequence[str], options: argparse.Namespace) -> Iterator[Row]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edge-bench-")))
        folder.chmod(0o755)
        ensure_keys(folder / "tls", Config())
        keys = folder / "tls" / "keys"
        pair = keys / "pair.pem"
        pair.write_bytes((keys / "edge.pem").read_bytes() + (keys / "edge.key").read_bytes())
        (folder / "origin").mkdir()
        origin_port = stack.enter_context(nginx.origin(folder / "origin"))
        bench = Bench(
            folder,
            options.into / "config",
            options.rounds,
            options.seconds,
            origin_port,
            keys / "edge.pem",
            keys / "edge.key",
            pair,
            options.quick,
        )
        for number, name in enumerate(wanted, 1):
            began = time.monotonic()
            progress(f"{name}  starting")
            try:
                row = ROWS[name](bench)
            except Exception as failure:  # a bug in one row is not to cost the others
                traceback.print_exc()
                row = Row(name, "", f"This row failed: {failure!r}", "nothing.", "anything.")
            progress("")
            took_s = time.monotonic() - began
            head = f"bench: {number:2} of {len(wanted)}  {name}, {took_s:.0f} s"
            print(f"{head}\n{_in_short(row)}", file=sys.stderr, flush=True)
            yield row


def _in_short(row: Row) -> str:
    """The row's ratios, for whoever watches."""
    table = summary([row]).splitlines()[2:]
    cells = [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in table]
    notes = [f"           {name}: {note}" for name, note in row.notes.items()]
    ratios = [f"           {cell[1]} / {cell[2]}: {cell[3]}, wanted {cell[4]}" for cell in cells]
    return "\n".join([*ratios, *notes]).replace("**", "")


def _write(rows: list[Row], about: dict[str, str], into: Path, name: str) -> None:
    notice = "" if name == "latest" else "**This run did not end; here is what it has.**"
    (into / f"{name}.md").write_text(page(rows, about, notice))
    data = {"about": about, "rows": [asdict(row) for row in rows]}
    (into / f"{name}.json").write_bytes(orjson.dumps(data, option=orjson.OPT_INDENT_2))
    (into / f"{name}.svg").write_text(plot(rows))


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
