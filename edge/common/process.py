"""The frame around every process of the edge: identity, link, signals, drain.  [I/O]

A tier's `serve(process)` is told who it is and what it may use, announces that
it is `live()`, works until `draining` is set, and returns once its last request
is answered.  Everything that all tiers need alike happens here: the control
link, SIGTERM, answering questions about traces and counters, faults to play, the
event loop's lag.
"""

import os
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import trio

from edge.common import spans as span_codec
from edge.common.config import Config
from edge.common.fault_hook import install
from edge.common.faults import Faults
from edge.common.link_client import Link
from edge.common.log import Log
from edge.common.messages import Member
from edge.common.metrics import Registry
from edge.common.spans import SpanRing
from edge.common.usage import Usage

LAG_INTERVAL_S = 0.25
# honcho kills five seconds after the first exit, so a drain has to be over in four.
DRAIN_S = 4.0

Serve = Callable[["Process"], Awaitable[None]]


class Process:
    """Who this process is, and what it may use."""

    def __init__(
        self,
        member: Member,
        config: Config,
        revision: str,
        run_dir: Path,
        *,
        index: int = 0,
        sockets: Mapping[str, socket.socket] | None = None,
        log: Log | None = None,
    ) -> None:
        self.name = member.name
        self.tier = member.tier
        self.pop = member.pop
        self.service = member.service
        self.index = index
        self.pid = os.getpid()
        self.config = config
        self.revision = revision
        self.run_dir = run_dir
        self.sockets = dict(sockets or {})
        self.drain_s = DRAIN_S
        self.log = log or Log(self.service or f"edge-{self.tier}", self.name, config.log)
        self.link = Link(run_dir / "control.sock", member, config.control, self.log)
        self.spans = SpanRing()
        self.metrics = Registry()
        self.draining = trio.Event()
        self.faults = Faults()
        self._lag = self.metrics.histogram(
            "edge_event_loop_lag_seconds", "How late the event loop woke a sleeper"
        ).child()
        self.metrics.gauge("edge_build_info", "One per process", ("tier", "instance")).child(
            self.tier, self.name
        ).value = 1
        self._usage = Usage(self.metrics)
        install(self.faults, self.link, run_dir, self.log)
        self.link.on_revision(self._take_revision)
        self.link.on_ask("trace", self._find_trace)
        self.link.on_ask("metrics", self._snapshot)
        self.link.on_command("drain", self._drain)
        self.link.on_command("stop", self._drain)

    @classmethod
    def for_test(
        cls, config: Config, run_dir: Path, *, name: str = "test-1", tier: str = "service", **member: Any
    ) -> "Process":
        """A process without supervisor or hub; start `process.link.run` yourself if you need it."""
        return cls(Member(name=name, tier=tier, pid=os.getpid(), **member), config, "test", run_dir)

    def live(self, address: str = "") -> None:
        """Tell the edge that this process serves now, and where."""
        self.link.change(state="live", address=address or self.link.member.address)
        self.link.announce()

    def drain(self) -> None:
        """Stop taking new work; `serve` returns when the old work is done."""
        if not self.draining.is_set():
            self.link.change(state="draining")
            self.link.announce()
            self.draining.set()

    async def _drain(self, args: dict[str, Any]) -> str:
        self.drain()
        return f"{self.name} is draining"

    def _take_revision(self, config: Config, revision: str) -> None:
        # Registered first, so that every other handler finds the new values here.
        self.config = config
        self.revision = revision
        self.log.info("config.revision", revision=revision)

    def _snapshot(self, args: dict[str, Any]) -> Any:
        self._usage.look()
        return self.metrics.snapshot()

    def _find_trace(self, args: dict[str, Any]) -> Any:
        return span_codec.to_wire(self.spans.find(str(args.get("trace_id", ""))))


async def run(process: Process, serve: Serve) -> None:
    """Serve until drained or told to stop."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(process.link.run)
        nursery.start_soon(_watch_signals, process)
        nursery.start_soon(_watch_lag, process)
        nursery.start_soon(_end_drain, process, nursery.cancel_scope)
        process.log.info("process.start", pid=process.pid, revision=process.revision)
        await serve(process)
        process.log.info("process.stop", pid=process.pid)
        nursery.cancel_scope.cancel()


async def _watch_signals(process: Process) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            process.drain()


async def _end_drain(process: Process, scope: trio.CancelScope) -> None:
    # A drain has an end: whoever is still here then is a slow phone, not lost work.
    await process.draining.wait()
    await trio.sleep(process.drain_s)
    scope.cancel()


async def _watch_lag(process: Process) -> None:
    while True:
        before = trio.current_time()
        await trio.sleep(LAG_INTERVAL_S)
        lag = trio.current_time() - before - LAG_INTERVAL_S
        process._lag.observe(max(0.0, lag))
        process.link.load["lag_ms"] = round(lag * 1000, 3)
