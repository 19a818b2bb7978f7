"""`python -m bench [--quick] [--rows l7-hot,tls-full]`: run, print, keep.  [I/O]"""

import argparse
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import orjson

from bench.machine import describe
from bench.peers import nginx
from bench.plot import plot
from bench.rows import QUICK, ROWS, Bench
from bench.table import Row, markdown
from edge.common.config import Config
from edge.supervise.keys import ensure_keys

RESULTS = Path(__file__).parent / "results"


def main() -> int:
    """Run the rows that were asked for; returns the exit status."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the most telling rows, two short rounds")
    parser.add_argument("--rows", default="", help=f"some of: {', '.join(ROWS)}")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--keep", action="store_true", help="write the results into bench/results")
    options = parser.parse_args()
    missing = [tool for tool in ("wrk", "taskset", "nginx") if shutil.which(tool) is None]
    if missing:
        print(
            f"bench: needs {', '.join(missing)} (Debian: apt-get install wrk util-linux nginx)",
            file=sys.stderr,
        )
        return 2
    wanted = options.rows.split(",") if options.rows else (QUICK if options.quick else list(ROWS))
    unknown = [name for name in wanted if name not in ROWS]
    if unknown:
        print(f"bench: no row is called {', '.join(unknown)}; there are {', '.join(ROWS)}", file=sys.stderr)
        return 2
    rows = _run(
        wanted,
        options.rounds or (2 if options.quick else 5),
        options.seconds or (2.0 if options.quick else 3.0),
    )
    about = describe() | {"date": time.strftime("%Y-%m-%d")}
    page = _page(rows, about)
    print(page)
    if options.keep:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "latest.md").write_text(page)
        data = {"about": about, "rows": [asdict(row) for row in rows]}
        (RESULTS / "latest.json").write_bytes(orjson.dumps(data, option=orjson.OPT_INDENT_2))
        (RESULTS / "latest.svg").write_text(plot(rows))
    return 0


def _run(wanted: list[str] | tuple[str, ...], rounds: int, seconds: float) -> list[Row]:
    rows = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edge-bench-")))
        folder.chmod(0o755)
        ensure_keys(folder / "tls", Config())
        keys = folder / "tls" / "keys"
        pair = keys / "pair.pem"
        pair.write_bytes((keys / "edge.pem").read_bytes() + (keys / "edge.key").read_bytes())
        (folder / "origin").mkdir()
        origin_port = stack.enter_context(nginx.origin(folder / "origin"))
        bench = Bench(folder, rounds, seconds, origin_port, keys / "edge.pem", keys / "edge.key", pair)
        for number, name in enumerate(wanted, 1):
            print(f"bench: {name} ({number} of {len(wanted)})", file=sys.stderr, flush=True)
            rows.append(ROWS[name](bench))
    return rows


def _page(rows: list[Row], about: dict[str, str]) -> str:
    told = "\n".join(f"- {key}: {value}" for key, value in about.items())
    opening = "Smaller is better; ratios are medians over rounds, taken round by round."
    return f"# Benchmark\n\n{opening}\n\n{told}\n\n{markdown(rows)}"


if __name__ == "__main__":
    sys.exit(main())
