"""A pair of L4 processes without the rest of the edge, for tests and measurements.  [I/O]

`python -m tests.kit.l4_process RUN_DIR [--members 2] [--workers 2] [--engine ...]`
binds one port, forks the members as the supervisor would, prints one JSON line
with the address and the pids, and restarts a member that dies.
"""

import argparse
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

import trio

from edge.common.config import AdmissionConfig, Config, L4Config, Place, PopConfig
from edge.common.messages import Member
from edge.common.process import Process, run
from edge.l4.worker import serve

# Tests of the engine are not tests of the limits; those set their own.
GENEROUS = AdmissionConfig(
    source_rate_per_s=1e6,
    source_burst=1_000_000,
    source_connections_max=100_000,
    rate_per_s=1e6,
    burst=1_000_000,
    flood_rate_per_s=1e6,
)


def configuration(members: int, workers: int, l4: L4Config) -> Config:
    """One POP in one town."""
    place = Place(north=19.1, east=72.9)
    pop = PopConfig(name="mumbai", address="127.0.0.1", place=place, l4=members, l7=workers)
    return Config(pop=(pop,), l4=l4)


def listen(address: str = "127.0.0.1", port: int = 0, backlog: int = 1024) -> socket.socket:
    """As `edge.supervise.sockets` does it."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.bind((address, port))
    listener.listen(backlog)
    listener.setblocking(False)
    return listener


def fork_member(index: int, config: Config, run_dir: Path, listener: socket.socket) -> int:
    """Start one L4; its pid."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        name = f"l4-mumbai-{chr(ord('a') + index)}"
        member = Member(name=name, tier="l4", pid=os.getpid(), pop="mumbai")
        process = Process(member, config, "test", run_dir, index=index, sockets={"https": listener})
        trio.run(run, process, serve)
        status = 0
    finally:
        sys.stdout.flush()
        os._exit(status)


def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("--members", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--balance", default="weighted")
    parser.add_argument("--mode", default="active-standby")
    parser.add_argument("--source-rate", type=float, default=0.0)
    arguments = parser.parse_args()
    admission = GENEROUS
    if arguments.source_rate:
        admission = AdmissionConfig(
            source_rate_per_s=arguments.source_rate, source_burst=int(arguments.source_rate)
        )
    config = configuration(
        arguments.members,
        arguments.workers,
        L4Config(balance=arguments.balance, mode=arguments.mode, admission=admission),
    )
    arguments.run_dir.mkdir(parents=True, exist_ok=True)
    listener = listen()
    pids = [fork_member(n, config, arguments.run_dir, listener) for n in range(arguments.members)]
    ending = False

    def end(number: int, frame: object) -> None:
        nonlocal ending
        ending = True
        for pid in pids:
            os.kill(pid, signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)
    host, port = listener.getsockname()
    print(json.dumps({"host": host, "port": port, "pids": pids}), flush=True)
    while True:
        try:
            pid, _ = os.wait()
        except ChildProcessError:
            return
        if not ending:
            time.sleep(0.02)
            index = pids.index(pid)
            pids[index] = fork_member(index, config, arguments.run_dir, listener)


if __name__ == "__main__":
    main()
