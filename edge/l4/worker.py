"""The L4 process: links to the POP's workers, a place in the pair, and the counters.  [I/O]

`serve` puts the parts together: the distributor decides, the engine accepts and brings
connections to their workers, the pair says when, the control link brings bans, weights
and orders and is asked for statistics.
"""

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio

from edge.common.config import Config, L4Config
from edge.common.handover import ListenerName
from edge.common.messages import Ban, Member
from edge.common.process import Process
from edge.common.proxy_protocol import Trusted
from edge.l4.addresses import at
from edge.l4.admission import Admission, BadNetwork
from edge.l4.counters import Counters
from edge.l4.distributor import Distributor
from edge.l4.fence import Fence
from edge.l4.handoff import Handoff
from edge.l4.kernel_counts import parse_netstat
from edge.l4.links import worker_names, worker_socket
from edge.l4.pair import Pair
from edge.l4.refuse import can_drop
from edge.l4.relay import Options, Relay
from edge.l4.report import explain_drain, explain_flow, open_connections, statistics
from edge.l4.roster import Roster, noted
from edge.l4.syn_guard import SynGuard, SynGuardUnavailable
from edge.l4.syn_rules import Guard

LISTENERS: tuple[ListenerName, ...] = ("https", "http")
LOAD_EVERY_S = 1.0
SYN_BURST_MAX = 10_000  # nft takes more, but a burst of more is no limit
NETSTAT = Path("/proc/net/netstat")


class L4:
    """One L4 process of one POP."""

    def __init__(self, process: Process) -> None:
        config = process.config.l4
        self._process = process
        self._counters = Counters(process.metrics)
        self._distributor = Distributor(
            Admission(config.admission, self._share(process.config)),
            config.balance,
            random.Random(),
            credit_max=config.credit_max,
            slow_start_s=config.slow_start_s,
        )
        self._engine = self._make_engine(config)
        self._engine.faults = process.faults
        # Active/active: each has a lane of its own, in which it is alone and active.
        alone = config.mode == "active-active"
        lane = f"{process.pop or 'pop'}-{process.index}" if alone else process.pop or "pop"
        self._fence = Fence(process.run_dir / "l4", lane)
        self._pair = Pair(
            self._fence,
            process.log,
            rank=0 if alone else process.index,
            beat_s=config.beat_s,
        )
        self._links: set[str] = set()
        self._roster = Roster("l7", process.pop, self._noted())

    def _make_engine(self, config: L4Config) -> Handoff | Relay:
        process, reject = self._process, config.admission.reject
        if config.engine == "handoff":
            return Handoff(self._distributor, self._counters, process.log, name=process.name, reject=reject)
        options = Options(send_proxy=True, proxy_from=config.proxy_from, reject=reject, probes_hear_end=True)
        return Relay(self._distributor, self._counters, process.log, options, name=process.name)

    async def run(self) -> None:
        """Serve until the process drains; returns when nothing is left to hand over."""
        process = self._process
        if process.config.l4.admission.reject == "drop" and not can_drop():
            process.log.warning("l4.no_silent_drop", reason="CAP_NET_ADMIN is missing; refusing by reset")
        async with trio.open_nursery() as nursery:
            self._find_workers(nursery)
            nursery.start_soon(self._engine.watch)
            self._listen_to_the_hub(nursery)
            nursery.start_soon(self._report_load)
            nursery.start_soon(self._pair.run, self._reign, self._stood_down)
            process.link.change(role="standby")
            process.live(self._address())
            await process.draining.wait()
            # The other one accepts from the same queue from now on; what we hold
            # still has to reach its worker.
            self._pair.stand_down()
            await self._engine.settle(process.config.l4.drain_s)
            nursery.cancel_scope.cancel()

    # -- roles ----------------------------------------------------------------------

    async def _reign(self, epoch: int, why: str) -> None:
        process = self._process
        self._engine.epoch = epoch
        self._counters.takeovers.child(why).value += 1
        self._counters.active.value = 1
        process.link.change(role="active", epoch=epoch)
        process.link.announce()
        process.log.info("l4.active", epoch=epoch, reason=why)
        async with trio.open_nursery() as nursery:
            for name in LISTENERS:
                listener = process.sockets.get(name)
                if listener is not None:
                    nursery.start_soon(self._engine.accept, listener, name, self._fence.holds)

    def _stood_down(self) -> None:
        process = self._process
        self._counters.active.value = 0
        process.link.change(role="standby", epoch=0)
        process.link.announce()
        process.log.info("l4.standby", was_epoch=self._engine.epoch)

    async def _take_over(self, args: dict[str, Any]) -> str:
        if self._pair.is_active():
            return f"{self._process.name} is active already, under epoch {self._pair.epoch}"
        self._pair.take_over("ordered")
        with trio.move_on_after(1.0):
            await self._until_active()
        return f"{self._process.name} is active under epoch {self._pair.epoch}"

    async def _until_active(self) -> None:
        for _ in range(1000):
            if self._pair.is_active():
                return
            await trio.sleep(0.001)

    # -- what the hub says ------------------------------------------------------------

    def _listen_to_the_hub(self, nursery: trio.Nursery) -> None:
        link = self._process.link
        link.on_bans(self._take_bans)
        link.on_members(partial(self._take_members, nursery))
        link.on_revision(partial(self._take_revision, nursery))
        link.on_command("takeover", self._take_over)
        link.on_ask("stats", self._statistics)
        link.on_ask("flow", self._explain_flow)
        link.on_ask("drain", lambda args: explain_drain(self._distributor, self._who(), args))

    def _take_bans(self, add: list[Ban], lift: list[str]) -> None:
        admission = self._distributor.admission
        # Bans end by the wall clock, admission counts by the monotonic one.
        offset = time.monotonic() - time.time()
        for ban in add:
            try:
                admission.ban(ban.network, ban.until_unix + offset)
            except BadNetwork as error:
                self._process.log.warning("l4.bad_ban", error=str(error), by=ban.by)
        try:
            admission.lift(lift)
        except BadNetwork as error:
            self._process.log.warning("l4.bad_ban", error=str(error))

    def _take_members(self, nursery: trio.Nursery, changed: list[Member], gone: list[str]) -> None:
        self._roster.take(changed, gone)
        mine = [m for m in changed if m.tier == "l7" and m.pop == self._process.pop]
        now = time.monotonic()
        for member in mine:
            self._distributor.set_weight(member.name, member.weight, now)
        self._find_workers(nursery, [member.name for member in mine])

    def _take_revision(self, nursery: trio.Nursery, config: Config, revision: str) -> None:
        try:
            self._distributor.admission.configure(config.l4.admission, self._share(config))
        except BadNetwork as error:
            self._process.log.error("l4.bad_revision", error=str(error), revision=revision)
        self._distributor.set_policy(config.l4.balance, config.l4.credit_max, config.l4.slow_start_s)
        self._engine.reject = config.l4.admission.reject
        if isinstance(self._engine, Relay):
            self._engine.trusted = Trusted(config.l4.proxy_from)
        self._find_workers(nursery)

    # -- workers --------------------------------------------------------------------

    def _find_workers(self, nursery: trio.Nursery, heard: Sequence[str] = ()) -> None:
        """Let the engine have every worker of the POP that we know of."""
        engine, pop = self._engine, self._process.pop
        if isinstance(engine, Relay):
            engine.set_endpoints(self._roster.usable())
            return
        count = next((p.l7 for p in self._process.config.pop if p.name == pop), 0)
        for name in worker_names(pop, count, heard):
            if name not in self._links:
                self._links.add(name)
                nursery.start_soon(engine.keep, name, worker_socket(self._process.run_dir, name))

    def _noted(self) -> dict[str, tuple[str, int]]:
        try:
            notes = (self._process.run_dir / "listen" / "l7.json").read_bytes()
        except OSError:
            return {}  # on another host, or not there yet; the hub will tell
        return noted(notes, "relay", f"l7-{self._process.pop}-")

    # -- telling ----------------------------------------------------------------------

    async def _report_load(self) -> None:
        load = self._process.link.load
        handed = 0.0
        while True:
            await trio.sleep(LOAD_EVERY_S)
            self._see_kernel()
            load["connections"] = len(self._distributor.connections)
            load["rate"] = (self._counters.handed.value - handed) / LOAD_EVERY_S
            handed = self._counters.handed.value

    def _statistics(self, args: dict[str, Any]) -> dict[str, Any]:
        answer = statistics(self._distributor, self._counters, self._who())
        answer["kernel"] = self._see_kernel()
        if args.get("rows"):
            rows_max = int(args["rows"])
            answer["rows"] = open_connections(
                self._distributor, time.monotonic(), self._bytes_of, rows_max=rows_max
            )
        return answer

    def _explain_flow(self, args: dict[str, Any]) -> dict[str, Any]:
        return explain_flow(self._distributor, self._who(), args, time.monotonic(), self._bytes_of)

    def _bytes_of(self, ticket: int) -> tuple[int, int] | None:
        return self._engine.bytes_of(ticket) if isinstance(self._engine, Relay) else None

    def _see_kernel(self) -> dict[str, int]:
        try:
            counts = parse_netstat(NETSTAT.read_text())
        except OSError:
            return {}  # no /proc here
        self._counters.see_kernel(counts)
        return counts

    def _who(self) -> dict[str, Any]:
        return {
            "name": self._process.name,
            "role": "active" if self._pair.is_active() else "standby",
            "epoch": self._pair.epoch,
        }

    def _share(self, config: Config) -> float:
        if config.l4.mode != "active-active":
            return 1.0
        count = next((p.l4 for p in config.pop if p.name == self._process.pop), 1)
        return 1.0 / max(1, count)

    def _address(self) -> str:
        listener = self._process.sockets.get("https")
        if listener is None:
            return ""
        return at(*listener.getsockname()[:2])


async def serve(process: Process) -> None:
    """The L4 process's entry point."""
    # Before the first beat, since nft takes milliseconds in which we could not beat.
    with syn_guard(process):
        await L4(process).run()


@contextmanager
def syn_guard(process: Process) -> Iterator[None]:
    """The kernel's SYN meter for this POP, if configured.

    The first of the POP's L4s keeps it for all of them, whoever is active: the table
    guards the address.  Killed, it leaves the table in force and replaces it when it
    comes back.
    """
    listeners = [process.sockets[name] for name in LISTENERS if name in process.sockets]
    if process.config.l4.syn_guard == "off" or process.index > 0 or not listeners:
        yield
        return
    admission = process.config.l4.admission
    names = [listener.getsockname() for listener in listeners]
    guard = Guard(
        names[0][0],
        tuple(name[1] for name in names),
        max(1, int(admission.source_rate_per_s)),
        min(admission.source_burst, SYN_BURST_MAX),
    )
    with ExitStack() as stack:
        try:
            stack.enter_context(SynGuard(guard))
        except SynGuardUnavailable as error:
            # Plainly said, and we go on: the accept limiter works everywhere.
            process.log.warning("l4.no_syn_guard", reason=str(error))
        else:
            process.log.info("l4.syn_guard", address=guard.address, syns_per_s=guard.syns_per_s)
        yield
