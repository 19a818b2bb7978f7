"""Accept, decide, connect, copy: the engine for workers on other hosts and for any TCP.  [I/O]

A connection has a task of its own that walks its story (`_serve`): a PROXY header where
the peer is a proxy that we trust, admission, the choice, a connection to the chosen
endpoint, a PROXY header of ours with who the phone is and why it was sent there, and
copying (`edge.l4.copying`) until both sides have finished.

What is being relayed belongs to `watch` and not to `accept`: an L4 that stands down
accepts nothing more and goes on with what it has.

Bounds: admission caps the connections, `IDLE_S` the time in which nothing moves in
either direction, `sockets.CONNECT_S` each attempt to reach an endpoint,
`proxy_reader.HEADER_S` the wait for a PROXY header.
"""

import errno
import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

import trio

from edge.common.faults import Faults
from edge.common.handover import Handover, ListenerName
from edge.common.log import Log
from edge.common.proxy_protocol import Endpoint, ProxyProtocolError, Trusted
from edge.common.proxy_reader import read_header
from edge.common.proxy_record import encode_record
from edge.l4.admission import Refusal
from edge.l4.copying import Copier, Flow
from edge.l4.counters import Counters
from edge.l4.distributor import Distributor, Placement
from edge.l4.endpoints import Address, Endpoints
from edge.l4.ordered_faults import pass_on
from edge.l4.refuse import refuse
from edge.l4.sockets import close, rtt_us, send_all

IDLE_S = 3600.0  # Envoy's TCP tunnel
SWEEP_S = 10.0
TICK_S = 0.1
ACCEPT_BATCH = 64
EXHAUSTED_S = 0.01
SETTLE_STEP_S = 0.05
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


@dataclass(frozen=True, slots=True)
class Options:
    """What a relay does besides copying."""

    send_proxy: bool = False  # tell endpoints who the phone is, with a version 2 header
    proxy_from: tuple[str, ...] = ()  # networks whose connections begin with a PROXY header
    reject: Literal["reset", "drop"] = "reset"
    idle_s: float = IDLE_S
    probes_hear_end: bool = False  # see `edge.l4.endpoints`


class Relay:
    """The engine: `accept` from listeners while active, `watch` over what came of it."""

    def __init__(
        self, distributor: Distributor, counters: Counters, log: Log, options: Options, *, name: str
    ) -> None:
        self.epoch = 0
        self.reject = options.reject
        self.endpoints = Endpoints(
            distributor, log, send_proxy=options.send_proxy, hears_end=options.probes_hear_end
        )
        self._distributor = distributor
        self._counters = counters
        self._log = log
        self._options = options
        self._name = name
        self.trusted = Trusted(options.proxy_from)
        self._flows: dict[int, Flow] = {}  # by ticket
        self._copier = Copier(counters.bytes_in, counters.bytes_out)
        self._pid = os.getpid()
        self._id_prefix = f"c-{self._pid:x}{int(time.time()) & 0xFFFFFF:x}-"
        self._boot_id = boot_id()
        self._accepted = 0
        self._serving: trio.Nursery | None = None
        self._watched = trio.Event()
        self._accepting: set[trio.CancelScope] = set()

    @property
    def faults(self) -> Faults:
        """What is ordered at this hop; the worker puts its process's own here."""
        return self._copier.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._copier.faults = faults

    def set_endpoints(self, addresses: Mapping[str, Address]) -> None:
        """Who may be connected to, by name; those that are gone keep their connections."""
        self.endpoints.set(addresses)

    @property
    def open(self) -> int:
        """Connections that are being relayed."""
        return len(self._flows)

    def bytes_of(self, ticket: int) -> tuple[int, int] | None:
        """Bytes of an open connection, from the phone and to it."""
        flow = self._flows.get(ticket)
        return (flow.bytes_in, flow.bytes_out) if flow is not None else None

    # -- accepting ------------------------------------------------------------------

    async def accept(
        self,
        listener: socket.socket,
        name: ListenerName = "https",
        still_active: Callable[[], bool] = lambda: True,
    ) -> None:
        """Relay what arrives at `listener`, until cancelled, told to stop, or no longer active."""
        await self._watched.wait()
        with trio.CancelScope() as scope:
            self._accepting.add(scope)
            try:
                while still_active():
                    # With nobody there connections wait in the kernel's queue.
                    await self.endpoints.some()
                    await trio.lowlevel.wait_readable(listener)
                    if not self._accept_batch(listener, name, still_active):
                        self._counters.exhausted.value += 1
                        await trio.sleep(EXHAUSTED_S)
            finally:
                self._accepting.discard(scope)

    def _accept_batch(
        self, listener: socket.socket, name: ListenerName, still_active: Callable[[], bool]
    ) -> bool:
        """Begin to serve whoever waits; False when out of descriptors."""
        assert self._serving is not None, "`watch` has begun"
        for _ in range(ACCEPT_BATCH):
            if not still_active():
                return True
            try:
                phone, address = listener.accept()
            except BlockingIOError:
                return True
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    return False
                continue  # that phone gave up while it waited
            phone.setblocking(False)
            peer = Endpoint(address[0], address[1])
            self._serving.start_soon(self._serve, phone, peer, name, time.monotonic_ns())
        return True

    def stop_accepting(self) -> None:
        """Take nobody new; those who are here go on."""
        for scope in self._accepting:
            scope.cancel()

    async def settle(self, patience_s: float) -> None:
        """Wait for open connections to end by themselves, but not for ever."""
        for _ in range(int(patience_s / SETTLE_STEP_S)):
            if not self._flows:
                return
            await trio.sleep(SETTLE_STEP_S)

    # -- one connection -------------------------------------------------------------

    async def _serve(
        self, phone: socket.socket, peer: Endpoint, listener: ListenerName, accepted_ns: int
    ) -> None:
        # The one broad `except` of this engine: whatever goes wrong ends this
        # connection, is logged, and nobody else notices.
        try:
            await self._admit(phone, peer, listener, accepted_ns)
        except ProxyProtocolError as error:
            self._counters.bad_headers.value += 1
            self._log.warning("l4.bad_proxy_header", source=peer.address, error=str(error))
        except (OSError, trio.ClosedResourceError):
            pass  # the phone is gone
        except Exception as error:
            self._log.error("l4.relay_failed", source=peer.address, error=repr(error))
        finally:
            close(phone)

    async def _admit(
        self, phone: socket.socket, peer: Endpoint, listener: ListenerName, accepted_ns: int
    ) -> None:
        source = peer
        if peer.address in self.trusted:
            source = (await read_header(phone)).source or peer
        packed = ip_address(source.address).packed
        placement = self._distributor.place(packed, source.port, time.monotonic())
        if isinstance(placement, Refusal):
            self._counters.refused[placement].value += 1
            refuse(phone, self.reject)
            return
        if placement is None:
            self._counters.no_worker.value += 1
            refuse(phone, "reset")
            return
        self._accepted += 1
        record = self._record(source, listener, accepted_ns, placement)
        with trio.CancelScope() as scope:
            self._flows[placement.ticket] = flow = Flow(scope, time.monotonic())
            try:
                await self._relay(phone, packed, record, placement, flow)
            finally:
                del self._flows[placement.ticket]
                self._distributor.finished(placement.ticket)

    def _record(
        self, source: Endpoint, listener: ListenerName, accepted_ns: int, placement: Placement
    ) -> Handover:
        return Handover(
            conn_id=f"{self._id_prefix}{self._accepted:x}",
            source_ip=source.address,
            source_port=source.port,
            listener=listener,
            accepted_ns=accepted_ns,
            l4_name=self._name,
            l4_pid=self._pid,
            policy=self._distributor.policy,
            why=placement.choice.why,
            bucket_level=round(placement.level, 1),
            candidates=placement.candidates,
            decided_ns=time.monotonic_ns(),
            epoch=self.epoch,
            ticket=placement.ticket,
        )

    async def _relay(
        self, phone: socket.socket, packed: bytes, record: Handover, placement: Placement, flow: Flow
    ) -> None:
        if self.faults.armed:
            await self._feel(phone, placement.worker.name)
        chosen = placement.worker.name
        endpoint, placement = await self.endpoints.connect(placement, packed)
        if endpoint is None:
            self._counters.no_worker.value += 1
            refuse(phone, "reset")
            return
        worker, link = placement.worker, placement.worker.link
        worker.open += 1
        flow.to = (worker.name, "l7")
        try:
            self._counters.handed.value += 1
            if worker.name != chosen:
                self._counters.given_again.value += 1
                record = record._replace(why=f"{placement.choice.why}; {chosen} could not be reached")
            if self._options.send_proxy:
                host, port = phone.getsockname()[:2]
                header = encode_record(
                    record, Endpoint(host, port), worker.name, self._boot_id, rtt_us(phone)
                )
                await send_all(endpoint, memoryview(header))
            await self._copier.both_ways(phone, endpoint, flow)
        finally:
            if worker.link == link:  # else it left and came back, and counts from zero
                worker.open -= 1
            close(endpoint)

    async def _feel(self, phone: socket.socket, worker: str) -> None:
        try:
            await pass_on(self.faults, (worker, "l7"), 0)
        except ConnectionResetError:
            refuse(phone, "reset")
            raise

    # -- time -----------------------------------------------------------------------

    async def watch(self) -> None:
        """Serve what was accepted, probe the endpoints, end what is idle; until cancelled."""
        async with trio.open_nursery() as nursery:
            self._serving = nursery
            nursery.start_soon(self.endpoints.watch)
            self._watched.set()
            swept_at = 0.0
            while True:
                now = time.monotonic()
                self._distributor.admission.expire(now)
                self._distributor.refresh(now)
                self._counters.see(self._distributor)
                if now - swept_at >= SWEEP_S:
                    swept_at = now
                    self._end_idle(now - self._options.idle_s)
                await trio.sleep(TICK_S)

    def _end_idle(self, deadline: float) -> None:
        for flow in list(self._flows.values()):
            if flow.moved_at < deadline:
                flow.scope.cancel()


def boot_id() -> str:
    """The name of this machine's CLOCK_MONOTONIC; empty where the kernel does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
