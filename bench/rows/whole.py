"""The whole path, and where its time goes.  [I/O]"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import orjson

from bench import ours
from bench.contender import OTHER_CPU, Contender, Running, pinned
from bench.load import ROOT, Load
from bench.machine import Meter
from bench.measure import FAILURES, Bench, per_request, progress
from bench.peers import pythons
from bench.seen import Seen
from bench.table import Row, Turn
from edge.cli.hub import ask
from edge.cli.operate import listening

TIMELINE = "/api/v1/feed/timeline/"
PHONES = 16
REQUESTS_EACH = 10
TRACED = 20


def timeline(bench: Bench) -> Row:
    """A feed, from the name to the last byte."""
    row = Row(
        "e2e",
        "µs CPU of the proxy tiers per timeline",
        f"{PHONES} phones of as many people: resolve the name (not for the peer, which has no DNS), connect, "
        f"full handshake, {REQUESTS_EACH} feed timelines, hang up. The same services stand behind both; they "
        "share the other core with the phones. DNS, L4 and L7 are billed to the edge; the services' part "
        "stands beside it, and below the table where a request's time goes.",
        "what the edge adds to a real page, and how little of a timeline's cost and time that is.",
        "latency of a deployment: the services are the bottleneck here, on one core with the load.",
    )

    def judge(contest: Running, meter: Meter, seen: Seen) -> Turn:
        turn = per_request(contest, meter, seen)
        for tier, pids in contest.tiers.items():
            turn.extra[f"µs {tier}"] = meter.cpu_s(pids) * 1e6 / seen.requests
        return turn

    with ExitStack() as stack:
        edge = Contender("edge", ours.with_services)
        if (whole := bench.started(stack, row, edge)) is None:
            return row
        folder = bench.under("e2e-edge")
        run_dir = folder / "run"
        places = listening(run_dir)
        cookies = [f"edge_session={ours.session(run_dir, number)}" for number in range(1, PHONES + 1)]
        loads: dict[str, Load] = {
            "edge": _journeys(bench, places["dns-1"]["udp"], cookies, {}),
            "aiohttp+uvloop": _journeys(bench, "", cookies, {"Edge-Account": "1"}),
        }
        members = {member["name"]: member for member in ask(run_dir, "status")}
        feed_port = int(members["feed-1"]["address"].rpartition(":")[2])
        python = partial(_before_services, bench, whole.tiers["service"], feed_port)
        contenders = [Contender("edge", lambda folder: _as_is(whole)), Contender("aiohttp+uvloop", python)]
        bench.compare(row, contenders, loads, judge)
        progress("e2e  tracing")
        try:
            row.aside = _where_time_goes(folder, run_dir)
        except FAILURES as failure:
            row.aside = f"Where its time goes could not be learnt: {failure}"
    return row


@contextmanager
def _as_is(whole: Running) -> Iterator[Running]:
    yield whole


@contextmanager
def _before_services(bench: Bench, services: list[int], feed_port: int, folder: Path) -> Iterator[Running]:
    with pythons.aiohttp(folder, feed_port, bench.certificate, bench.key) as running:
        running.tiers = {"service": services}
        yield running


def _journeys(bench: Bench, dns: str, cookies: list[str], headers: dict[str, str]) -> Load:
    return bench.phones(
        "journey",
        path=TIMELINE,
        dns=dns,
        cookies=cookies,
        connections=PHONES,
        each=REQUESTS_EACH,
        more_headers=headers,
    )


def _where_time_goes(folder: Path, run_dir: Path) -> str:
    """A sentence for each kind of connection."""
    environment = os.environ | {
        "EDGE_RUN_DIR": str(run_dir),
        "EDGE_CONFIG": str(ours.REPOSITORY / "edge.toml"),
    }
    environment |= {"EDGE_HTTPS_PORT": "0"}
    done = subprocess.run(
        pinned([sys.executable, "-m", "bench.where_time_goes", str(TRACED)], OTHER_CPU),
        env=environment,
        cwd=ROOT,
        capture_output=True,
        timeout=60,
        check=True,
    )
    told = orjson.loads(done.stdout)
    lines = ["Time of one timeline at a time, by tier, on its critical path (medians of traces), in ms:", ""]
    parts = list(dict.fromkeys(part for kind in told.values() for part in kind))
    lines += [f"| connection | {' | '.join(parts)} |", f"|---|{'---:|' * len(parts)}"]
    for kind, found in told.items():
        cells = (f"{found.get(part, 0.0):.2f}" for part in parts)
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join(lines)
