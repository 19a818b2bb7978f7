"""A real L7 worker in this process or its own, with a toy L4 in front and a toy service behind."""

import argparse
import json
import os
import socket
import time
from pathlib import Path
from typing import Any

import trio

from edge.common.config import ClusterConfig, Config, L7Config, PopConfig, RouteConfig, WafConfig
from edge.common.config import Place as Where
from edge.common.handover import Handover, encode_batch
from edge.common.process import Process

NO_WAF = WafConfig(mode="off", embedded=False)


def toy_config(address: str, **changes: Any) -> Config:
    """One POP, one cluster at `address` ("host:port"), everything public, no WAF."""
    values: dict[str, Any] = {
        "pop": (PopConfig(name="mumbai", address="127.0.0.1", place=Where(north=19.0, east=72.8)),),
        "cluster": (ClusterConfig(name="toy", endpoints=(address,)),),
        "route": (RouteConfig(path="/*", name="all", cluster="toy", limits=()),),
        "waf": NO_WAF,
        "access_log": "off",
        "l7": L7Config(),
    }
    return Config(**(values | changes))


def handover(number: int, source: tuple[str, int], listener: str = "https") -> Handover:
    """The record of one connection, as an L4 would write it."""
    now = time.monotonic_ns()
    return Handover(
        conn_id=f"c-{number:x}",
        source_ip=source[0],
        source_port=source[1],
        listener="https" if listener == "https" else "http",
        accepted_ns=now,
        l4_name="l4-toy",
        l4_pid=os.getpid(),
        policy="round-robin",
        why="the only worker",
        bucket_level=100.0,
        candidates=1,
        decided_ns=now,
        epoch=1,
    )


class ToyL4:
    """Accepts, and gives everything to one worker."""

    def __init__(self, worker: Path) -> None:
        self.listeners = {name: _listener() for name in ("https", "http")}
        self.ports = {name: sock.getsockname()[1] for name, sock in self.listeners.items()}
        self._worker = worker
        self._sequence = 0

    async def run(self) -> None:
        """Until cancelled."""
        link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with trio.fail_after(10):
            while True:
                try:
                    link.connect(str(self._worker))
                    break
                except OSError:
                    await trio.sleep(0.01)
        link.setblocking(False)
        async with trio.open_nursery() as nursery:
            for name, listener in self.listeners.items():
                nursery.start_soon(self._accept, name, listener, link)
            nursery.start_soon(_swallow, link)

    async def _accept(self, name: str, listener: socket.socket, link: socket.socket) -> None:
        while True:
            await trio.lowlevel.wait_readable(listener)
            try:
                sock, source = listener.accept()
            except BlockingIOError:
                continue
            self._sequence += 1
            batch = encode_batch(self._sequence, [handover(self._sequence, source, name)])
            socket.send_fds(link, [batch], [sock.fileno()])
            sock.close()


async def _swallow(link: socket.socket) -> None:
    while True:
        await trio.lowlevel.wait_readable(link)
        if not link.recv(65536):
            return


def _listener() -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    sock.listen(512)
    sock.setblocking(False)
    return sock


async def serve_alone(run_dir: Path, config: Config, name: str = "l7-mumbai-1") -> None:
    """A worker with a toy L4, for benchmarks: prints its ports as JSON when it serves."""
    from edge.l7.worker import serve

    process = Process.for_test(config, run_dir, name=name, tier="l7", pop="mumbai")
    l4 = ToyL4(run_dir / "l7" / f"{name}.sock")
    print(json.dumps(l4.ports | {"pid": os.getpid()}), flush=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(l4.run)
        await serve(process)
        nursery.cancel_scope.cancel()


def main() -> None:
    """`python -m tests.kit.l7_worker RUN_DIR HOST:PORT [--full]`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("service")
    parser.add_argument("--full", action="store_true", help="WAF, auth and limits on")
    arguments = parser.parse_args()
    config = toy_config(arguments.service)
    if arguments.full:
        config = full_config(arguments.service)
    trio.run(serve_alone, arguments.run_dir, config)


def full_config(address: str) -> Config:
    """The whole pipeline: WAF, a session cookie, two limits, the log in a file; a path that is cached."""
    from edge.common.config import LimitConfig

    return toy_config(
        address,
        route=(
            RouteConfig(path="/*", name="all", cluster="toy", auth="required"),
            RouteConfig(path="/cached/*", name="cached", cluster="toy", cache=True),
        ),
        limit=(
            LimitConfig(name="source", key="source", rate_per_s=1e6, burst=1_000_000),
            LimitConfig(name="account", key="account", rate_per_s=1e6, burst=1_000_000),
        ),
        waf=WafConfig(),
        access_log="file",
    )


if __name__ == "__main__":
    main()
