"""What does a new connection cost an L4: our handoff against HAProxy `mode tcp`?  [I/O]

`python -m bench.l4_cost [--rate 1000] [--seconds 5] [--rounds 3]`

Both see the same phones in the same run, in turn: an open loop of connections at
a fixed rate, each of which waits for three bytes and closes.  Behind HAProxy
stands a TCP server that answers so, behind handoff a worker that does.  Billed is
the CPU time of the L4 process alone, user and system, from /proc.  HAProxy runs
one thread.  The handoff L4 is alone (no standby), as HAProxy is.
"""

import argparse
import json
import os
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HAPROXY = """
global
  nbthread 1
  maxconn 8000
defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
listen l4
  bind 127.0.0.1:{port} backlog 1024
  server one 127.0.0.1:{backend}
"""


def cpu_s(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def call(port: int, rate: float, seconds: float, at_once: int = 0) -> tuple[int, int]:
    """Open connections at `rate`, never waiting for an earlier one; how many were answered, how many not.

    With `at_once`, a closed loop instead: so many wait at any time, as fast as it goes.
    """
    waiting: dict[int, socket.socket] = {}
    epoll = select.epoll()
    answered = failed = started = 0
    began = time.perf_counter()
    while (now := time.perf_counter() - began) < seconds + 2.0:
        while now < seconds and (len(waiting) < at_once if at_once else started < now * rate):
            phone = socket.socket()
            phone.setblocking(False)
            phone.connect_ex(("127.0.0.1", port))
            waiting[phone.fileno()] = phone
            epoll.register(phone, select.EPOLLIN)
            started += 1
        if now >= seconds and not waiting:
            break
        for number, _ in epoll.poll(0.0005):
            phone = waiting.pop(number)
            try:
                ok = bool(phone.recv(16))
            except OSError:
                ok = False
            answered += ok
            failed += not ok
            phone.close()
    return answered, failed + len(waiting)


@contextmanager
def started(command: list[str]) -> Iterator["subprocess.Popen[str]"]:
    """A process that is ended afterwards."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


@contextmanager
def haproxy(folder: Path) -> Iterator[tuple[int, int]]:
    """Port and pid."""
    with started([sys.executable, "-m", "bench.l4_cost", "--answer"]) as backend:
        assert backend.stdout is not None
        told = int(backend.stdout.readline())
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        config = folder / "haproxy.cfg"
        config.write_text(HAPROXY.format(port=port, backend=told))
        with started(["haproxy", "-q", "-db", "-f", str(config)]) as proxy:
            time.sleep(0.5)
            yield port, proxy.pid


@contextmanager
def handoff(folder: Path) -> Iterator[tuple[int, int]]:
    """Port and pid."""
    path = str(folder / "l7" / "l7-mumbai-1.sock")
    with started([sys.executable, "-m", "tests.kit.worker_stand_in", path, "--answer-and-close"]):
        command = [sys.executable, "-m", "tests.kit.l4_process", str(folder), "--members", "1"]
        with started([*command, "--workers", "1"]) as l4:
            assert l4.stdout is not None
            line = next(line for line in l4.stdout if line.startswith('{"host"'))
            told = json.loads(line)
            time.sleep(0.7)
            yield told["port"], told["pids"][0]


def answer() -> None:
    """A TCP server that says `ok` and closes."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            phone, _ = listener.accept()
            with phone:
                phone.send(b"ok\n")


def measure(rate: float, seconds: float, at_once: int) -> dict[str, float]:
    """Microseconds of the L4's CPU for each answered connection."""
    costs = {}
    for name, contender in (("haproxy", haproxy), ("handoff", handoff)):
        with tempfile.TemporaryDirectory() as folder, contender(Path(folder)) as (port, pid):
            call(port, rate, 0.5, at_once)
            before = cpu_s(pid)
            answered, failed = call(port, rate, seconds, at_once)
            costs[name] = (cpu_s(pid) - before) / max(1, answered) * 1e6
            print(f"  {name}: {costs[name]:.1f} us each, {answered} answered, {failed} not", flush=True)
    return costs


def main() -> int:
    """Print one line a round and the medians."""
    parser = argparse.ArgumentParser(prog="bench.l4_cost", description=__doc__)
    parser.add_argument("--rate", type=float, default=1000.0)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--at-once", type=int, default=0, help="a closed loop of so many instead of a rate")
    parser.add_argument("--answer", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.answer:
        answer()
    if shutil.which("haproxy") is None:
        print("needs haproxy (Debian: apt-get install haproxy)", file=sys.stderr)
        return 2
    rounds = [measure(options.rate, options.seconds, options.at_once) for _ in range(options.rounds)]
    medians = {name: statistics.median(costs[name] for costs in rounds) for name in rounds[0]}
    load = f"{options.at_once} at once" if options.at_once else f"{options.rate:.0f}/s"
    ratio = statistics.median(costs["handoff"] / costs["haproxy"] for costs in rounds)
    print(
        f"{load}: haproxy {medians['haproxy']:.1f} us, handoff {medians['handoff']:.1f} us, "
        f"ratio {ratio:.2f} (bar 0.40)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
