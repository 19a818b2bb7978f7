"""What does a gigabyte cost the relay, against HAProxy `mode tcp`?  [I/O]

`python -m bench.l4_relay [--megabytes 1024] [--rounds 3]`

One connection sends 64 KiB at a time to a sink behind the L4, as fast as it goes.
Billed is the CPU time of the L4 process alone.  HAProxy runs one thread.
"""

import argparse
import shutil
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.l4_cost import HAPROXY, cpu_s, started

WRITE_BYTES = 64 * 1024


def sink() -> None:
    """Read and forget; say so at the end of each connection."""
    buffer = bytearray(1 << 20)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            phone, _ = listener.accept()
            with phone:
                while phone.recv_into(buffer):
                    pass
                phone.send(b"!")


def send(port: int, megabytes: int) -> float:
    """Push so much through; the seconds it took."""
    chunk = bytes(WRITE_BYTES)
    began = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port)) as phone:
        for _ in range(megabytes * 1024 * 1024 // WRITE_BYTES):
            phone.sendall(chunk)
        phone.shutdown(socket.SHUT_WR)
        phone.recv(1)
    return time.perf_counter() - began


@contextmanager
def haproxy(backend: int, folder: Path) -> Iterator[tuple[int, int]]:
    """Port and pid."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "haproxy.cfg"
    config.write_text(HAPROXY.format(port=port, backend=backend))
    with started(["haproxy", "-q", "-db", "-f", str(config)]) as proxy:
        time.sleep(0.5)
        yield port, proxy.pid


@contextmanager
def relay(backend: int, folder: Path) -> Iterator[tuple[int, int]]:
    """Port and pid."""
    command = [
        sys.executable,
        "-m",
        "edge",
        "l4",
        "--to",
        f"127.0.0.1:{backend}",
        "--drain",
        "1",
    ]
    with started(command) as l4:
        assert l4.stdout is not None
        yield int(l4.stdout.readline().split()[2].rpartition(":")[2]), l4.pid


def main() -> int:
    """Print a line a round and the medians."""
    parser = argparse.ArgumentParser(prog="bench.l4_relay", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sink", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.sink:
        sink()
    if shutil.which("haproxy") is None:
        print("needs haproxy (Debian: apt-get install haproxy)", file=sys.stderr)
        return 2
    rounds: list[dict[str, float]] = []
    with started([sys.executable, "-m", "bench.l4_relay", "--sink"]) as behind:
        assert behind.stdout is not None
        backend = int(behind.stdout.readline())
        for _ in range(options.rounds):
            costs = {}
            for name, contender in (("haproxy", haproxy), ("relay", relay)):
                with (
                    tempfile.TemporaryDirectory() as folder,
                    contender(backend, Path(folder)) as (port, pid),
                ):
                    send(port, 16)
                    before = cpu_s(pid)
                    took_s = send(port, options.megabytes)
                    costs[name] = (cpu_s(pid) - before) / (options.megabytes / 1024)
                    print(
                        f"  {name}: {costs[name]:.2f} s of CPU a GiB, {took_s:.1f} s",
                        flush=True,
                    )
            rounds.append(costs)
    medians = {name: statistics.median(costs[name] for costs in rounds) for name in rounds[0]}
    ratio = statistics.median(costs["relay"] / costs["haproxy"] for costs in rounds)
    print(
        f"haproxy {medians['haproxy']:.2f} s/GiB, relay {medians['relay']:.2f}, ratio {ratio:.2f} (bar 2.0)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
