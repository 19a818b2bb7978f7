"""Connections and bytes through L4.  [I/O]"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from bench import ours
from bench.contender import MEASURED_CPU, OTHER_CPU, Contender, Running, pinned, stop
from bench.load import ROOT, stream
from bench.machine import Meter
from bench.measure import Bench
from bench.seen import Seen
from bench.table import Row, Turn

MEBIBYTES = 1024


def connect(bench: Bench) -> Row:
    """A new TCP connection, one small answer, close."""
    row = Row(
        "l4-connect",
        "µs CPU of the L4 process per connection",
        "A new TCP connection, one small plain answer, close; 16 at a time. Billed is the distributor alone "
        "against HAProxy in TCP mode.",
        "what one more connection costs L4.",
        "what it costs altogether: behind our L4 a worker answers by itself (a redirect), behind HAProxy an "
        "nginx.",
    )
    edge = Contender("edge", partial(ours.distributor, origin_port=bench.origin_port))
    load = bench.http("/feed", connections=16, headers={"Connection": "close"})
    return bench.compare(row, [edge, bench.haproxy_tcp()], load)


def bulk(bench: Bench, connections: int) -> Row:
    """A gigabyte."""
    row = Row(
        f"l4-stream-{connections}",
        "ms per GiB",
        f"1 GiB at a time from a service to phones over {connections} "
        f"connection{'s' if connections > 1 else ''}; service and phones share the other core. The figure is "
        "time, since that is what a byte pays; L4's own CPU stands beside it.",
        "a connection that was handed over is as fast as one without any L4: its bytes never come by. What "
        "copying costs, in our relay and in HAProxy.",
        "throughput between machines.",
        ours=("edge handoff", "edge relay"),
    )

    def load(contest: Running, meter: Meter) -> Seen:
        return stream(contest.url, connections, MEBIBYTES, meter)

    with ExitStack() as stack:
        port = stack.enter_context(_told([sys.executable, "-m", "bench.stream", "serve"], OTHER_CPU))[0]
        contenders = [
            Contender("direct", lambda folder: _direct(int(port))),
            Contender("edge handoff", _handoff),
            Contender("edge relay", partial(_relay, port=int(port))),
            bench.haproxy_tcp(int(port)),
            bench.haproxy_tcp(int(port), "haproxy tcp splice", defaults="option splice-response"),
        ]
        return bench.compare(row, contenders, load, _per_gibibyte)


def _per_gibibyte(contest: Running, meter: Meter, seen: Seen) -> Turn:
    gibibytes = seen.bytes / (1 << 30)
    return Turn(
        figure=seen.seconds * 1000 / gibibytes,
        extra={
            "GB/s": seen.bytes / seen.seconds / 1e9,
            "ms CPU of L4 per GiB": _ms(contest, meter) / gibibytes,
        },
    )


def _ms(contest: Running, meter: Meter) -> float:
    return meter.cpu_s(contest.pids) * 1000


@contextmanager
def _direct(port: int) -> Iterator[Running]:
    yield Running(f"tcp://127.0.0.1:{port}", [])


@contextmanager
def _handoff(folder: Path) -> Iterator[Running]:
    """The distributor, with a worker that sends what phones wish for."""
    worker = [sys.executable, "-m", "bench.stream", "worker", str(ours.worker_socket(folder))]
    with _told(worker, OTHER_CPU), ours.l4_alone(folder) as l4:
        yield l4


@contextmanager
def _relay(folder: Path, port: int) -> Iterator[Running]:
    command = [sys.executable, "-m", "edge", "l4", "--to", f"127.0.0.1:{port}", "--drain", "1"]
    (folder / "command.txt").write_text(" ".join(command) + "\n")
    with _told(command) as (line, pid):
        yield Running(f"tcp://{line.split()[2]}", [pid])


@contextmanager
def _told(command: list[str], cpu: str = MEASURED_CPU) -> Iterator[tuple[str, int]]:
    """Run `command`; its first line, and its pid."""
    process = subprocess.Popen(
        pinned(command, cpu),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None, "asked for"
        if not (line := process.stdout.readline()):
            raise RuntimeError(f"{' '.join(command[-4:])} said nothing")
        yield line, process.pid
    finally:
        stop(process)  # type: ignore[arg-type]
