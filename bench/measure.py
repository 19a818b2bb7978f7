"""Who takes part, and whose turn is it?  [I/O]

All contenders of a row are up at the same time and take turns, round by round.
Every second round goes backwards, so that a machine that grows slower or faster
favours nobody.  CPU is read before and after each turn; start-up is not billed.
"""

import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import ours
from bench.contender import Contender, Running, keep_configuration
from bench.load import Load, phones, wrk
from bench.machine import Meter, peak_rss_kib
from bench.peers import haproxy, nginx
from bench.seen import Seen
from bench.table import Row, Turn
from edge.common.errors import EdgeError

HOST = "i.edge.test"
# What a contender, or the load on it, may fail with; the row says so and goes on without it.
FAILURES = (OSError, TimeoutError, RuntimeError, subprocess.SubprocessError, EdgeError)
Judge = Callable[[Running, Meter, Seen], Turn]


def per_request(contest: Running, meter: Meter, seen: Seen) -> Turn:
    """Microseconds of CPU for each request."""
    return Turn(
        figure=meter.cpu_s(contest.pids) * 1e6 / seen.requests,
        p50_us=seen.p50_us,
        p90_us=seen.p90_us,
        p99_us=seen.p99_us,
        per_s=seen.per_s,
        system_share=meter.system_share(contest.pids),
    )


@dataclass(slots=True)
class Bench:
    """What all rows share: where, how long, how often, and the keys."""

    folder: Path
    kept: Path  # for configurations
    rounds: int
    seconds: float
    origin_port: int
    certificate: Path
    key: Path
    pair: Path  # both in one file, as HAProxy wants them
    quick: bool = False  # leave out what takes long and is known to be slow

    def under(self, name: str) -> Path:
        """A folder for one contender."""
        folder = self.folder / name.replace(" ", "-")
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        return folder

    # -- contenders -----------------------------------------------------------------

    def edge(self, name: str = "edge", **options: object) -> Contender:
        """Ours, every stage on."""
        start = partial(ours.edge, origin_port=self.origin_port, **options)  # type: ignore[arg-type]
        return Contender(name, start)

    def haproxy(self, name: str = "haproxy", features: dict[str, str] | None = None) -> Contender:
        """HAProxy with TLS."""
        start = partial(
            haproxy.proxy, origin_port=self.origin_port, certificate=self.pair, features=features or {}
        )
        return Contender(name, start, haproxy.installed())

    def haproxy_tcp(self, origin_port: int = 0, name: str = "haproxy tcp", defaults: str = "") -> Contender:
        """HAProxy that looks at no byte."""
        start = partial(
            haproxy.proxy, origin_port=origin_port or self.origin_port, mode="tcp", defaults=defaults
        )
        return Contender(name, start, haproxy.installed())

    def nginx(self, name: str = "nginx", features: dict[str, str] | None = None) -> Contender:
        """nginx with TLS."""
        start = partial(
            nginx.proxy,
            origin_port=self.origin_port,
            certificate=self.certificate,
            key=self.key,
            features=features or {},
        )
        return Contender(name, start, nginx.installed())

    # -- loads ----------------------------------------------------------------------

    def http(
        self, path: str, *, connections: int = 32, script: str = "", headers: dict[str, str] | None = None
    ) -> Load:
        """GETs for `path` by wrk."""

        def load(contest: Running, meter: Meter) -> Seen:
            told = {"Host": HOST, "Cookie": "none=1", "User-Agent": "bench/1", "Accept": "*/*"}
            return wrk(
                contest.url + path,
                meter,
                connections=connections,
                script=script,
                headers=told | (headers or {}) | contest.headers,
            )

        return load

    def phones(self, kind: str, more_headers: dict[str, str] | None = None, **order: object) -> Load:
        """What `bench.phones` plays under that name."""

        def load(contest: Running, meter: Meter) -> Seen:
            headers = {"Cookie": "none=1"} | contest.headers | (more_headers or {})
            return phones(contest, meter, kind=kind, headers=headers, **order)

        return load

    # -- the measurement ------------------------------------------------------------

    def compare(
        self,
        row: Row,
        contenders: list[Contender],
        load: Load | dict[str, Load],
        judge: Judge = per_request,
        warm_ups: int = 1,
    ) -> Row:
        """Rounds of `load` (one for all, or one by contender) over all contenders, in turn."""
        with ExitStack() as stack:
            running: dict[str, Running] = {}
            for contender in contenders:
                if (contest := self.started(stack, row, contender)) is not None:
                    running[contender.name] = contest
            rates = dict.fromkeys(running, 0.0)
            # Half a turn for nothing: caches, pools and memos as in everyday life.
            for number in range(-warm_ups, self.rounds):
                names = list(running) if number % 2 else list(reversed(running))
                for name in names:
                    when = f"round {number + 1} of {self.rounds}" if number >= 0 else "warm-up"
                    progress(f"{row.name}  {when}  {name}")
                    asked = load[name] if isinstance(load, dict) else load
                    try:
                        meter = _meter(running[name], self.seconds / (1 if number >= 0 else 2), rates[name])
                        turn = _turn(row, name, running[name], asked, judge, meter)
                    except FAILURES as failure:
                        row.notes[name] = f"failed: {_short(failure)}"
                        del running[name]
                        continue
                    if turn is not None:
                        rates[name] = turn.per_s
                    if number >= 0 and turn is not None:
                        row.add(name, turn)
            for name, contest in running.items():
                if contest.pids:
                    row.peak_mib[name] = peak_rss_kib(contest.pids) / 1024
        # As listed, not as they came first.
        row.turns = {one.name: row.turns[one.name] for one in contenders if one.name in row.turns}
        return row

    def started(self, stack: ExitStack, row: Row, contender: Contender) -> Running | None:
        """The contender at work, until `stack` ends; or a note on why not."""
        if contender.why_absent:
            row.notes[contender.name] = contender.why_absent
            return None
        progress(f"{row.name}  starting {contender.name}")
        folder = self.under(f"{row.name}-{contender.name}")
        try:
            return stack.enter_context(contender.start(folder))
        except FAILURES as failure:
            row.notes[contender.name] = f"did not start: {_short(failure)}"
            return None
        finally:
            shown_as = {str(self.folder): "/tmp/edge-bench", sys.executable: "python", f"{Path.cwd()}/": ""}
            keep_configuration(folder, self.kept / contender.name.replace(" ", "-"), shown_as)


def _meter(contest: Running, seconds: float, rate_per_s: float) -> Meter:
    pids = {*contest.pids, *(pid for pids in contest.tiers.values() for pid in pids)}
    return Meter(pids, seconds, rate_per_s)


def _turn(row: Row, name: str, contest: Running, load: Load, judge: Judge, meter: Meter) -> Turn | None:
    seen = load(contest, meter)
    if seen.errors or not seen.requests:
        row.notes[name] = f"{seen.errors} errors beside {seen.requests} good answers"
    return judge(contest, meter, seen) if seen.requests else None


def progress(text: str) -> None:
    """Where we are, on one line of the terminal."""
    if sys.stderr.isatty():
        print(f"\r\x1b[2K  {text}", end="", file=sys.stderr, flush=True)


def _short(failure: BaseException) -> str:
    return " ".join(str(failure).split())[:200] or type(failure).__name__
