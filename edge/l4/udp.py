"""Pass datagrams between phones and endpoints, flow by flow.  [I/O]

Each flow has a connected socket of its own towards its endpoint: the kernel then
sorts the answers, drops datagrams that come from anybody else, and reports an
endpoint that is gone (ICMP port unreachable) as an error on that very socket.
Such a flow moves to another endpoint at once and takes along the few datagrams
that were not answered yet.

The endpoint is chosen by the flow's address and port.  With Maglev ("hash") a
flow stays where it is even if this process, and its table with it, is lost.

One task reads the phones, one reads all the endpoints through one epoll: no task
and no timer a flow.
"""

import contextlib
import random
import select
import socket
import time
from collections import deque
from dataclasses import dataclass, field

import trio

from edge.common.log import Log
from edge.common.proxy_protocol import Endpoint, encode_v2
from edge.l4.admission import Refusal
from edge.l4.counters import Counters
from edge.l4.distributor import Distributor
from edge.l4.flows import FLOWS_MAX, IDLE_S, Flows
from edge.l4.probe import HOP, Probe

DATAGRAM_BYTES = 65535
BATCH = 64
# Unanswered datagrams that move along with a flow.  A phone has one or two under way,
# a busy resolver (or dnsperf) on one port a hundred.
UNANSWERED_MAX = 128
UNANSWERED_BYTES_MAX = 1500
# Of all flows together.  What comes past it is passed on all the same, but does not move.
KEPT_BYTES_MAX = 8 * 1024 * 1024
# Older ones have been asked again, or want no answer.
FRESH_S = 2.0
TICK_S = 0.1
# How long an endpoint has to refuse a probe.  On a host that answers, ICMP comes in
# microseconds.
REFUSE_S = 0.05

Address = tuple[str, int]


@dataclass(slots=True, eq=False)
class _Flow:
    phone: Address
    packed: bytes
    ticket: int
    endpoint: str
    socket: socket.socket
    preface: bytes = b""  # goes before each datagram: who the phone is
    # When it came, and what goes to the endpoint.  An answer is taken to be the oldest one's.
    unanswered: deque[tuple[float, bytes]] = field(default_factory=deque)


class Udp:
    """The engine: `accept` from a bound socket, `watch` the endpoints."""

    def __init__(
        self,
        distributor: Distributor,
        counters: Counters,
        log: Log,
        *,
        flows_max: int = FLOWS_MAX,
        idle_s: float = IDLE_S,
        send_proxy: bool = False,
    ) -> None:
        """`send_proxy`: a PROXY header goes before each datagram, so that endpoints know the phone."""
        self._distributor = distributor
        self._counters = counters
        self._log = log
        self._addresses: dict[str, Address] = {}
        self._probes: dict[str, Probe] = {}
        self._send_proxy = send_proxy
        self._kept_bytes = 0
        self._flows: Flows[_Flow] = Flows(flows_max, idle_s)
        self._by_descriptor: dict[int, _Flow] = {}
        self._epoll = select.epoll()
        self._accepting = trio.CancelScope()
        self._listener: socket.socket | None = None

    def set_endpoints(self, addresses: dict[str, Address]) -> None:
        """Who may be sent to; flows of those that are gone move."""
        now = time.monotonic()
        gone = {name for name, address in self._addresses.items() if addresses.get(name) != address}
        for name in gone:
            del self._probes[name]
        moved = [flow for flow in self._flows.handles() if flow.endpoint in gone]
        for name in gone:
            self._distributor.unlinked(name, now, [flow.ticket for flow in moved if flow.endpoint == name])
        for name in addresses.keys() - (self._addresses.keys() - gone):
            self._distributor.linked(name, now)
            self._probes[name] = Probe(HOP, now, random)
            self._probes[name].answered(now)
        self._addresses = dict(addresses)
        for flow in moved:
            self._move(flow, now)

    @property
    def open(self) -> int:
        """Flows that are alive."""
        return len(self._flows)

    async def accept(self, listener: socket.socket) -> None:
        """Pass datagrams both ways until cancelled."""
        self._listener = listener
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._answer, listener)
            with self._accepting:
                while True:
                    await trio.lowlevel.wait_readable(listener)
                    self.receive(listener)

    def stop_accepting(self) -> None:
        """Read nothing more from phones; answers still go out."""
        self._accepting.cancel()

    async def settle(self, patience_s: float) -> None:
        """Give what was asked last a moment to be answered."""
        await trio.sleep(min(patience_s, 0.2))

    def receive(self, listener: socket.socket) -> None:
        """Send on what has come from phones, at most `BATCH` datagrams."""
        now = time.monotonic()
        for _ in range(BATCH):
            try:
                data, phone = listener.recvfrom(DATAGRAM_BYTES)
            except BlockingIOError:
                return
            except OSError:
                continue  # an earlier answer of ours bounced; not this datagram's fault
            flow = self._flows.find(phone, now) or self._begin(phone, listener, now)
            if flow is None:
                continue
            self._counters.bytes_in.value += len(data)
            if flow.preface:
                data = flow.preface + data
            if len(data) <= UNANSWERED_BYTES_MAX:
                self._keep(flow, data, now)
            self._send(flow, data, now)

    async def _answer(self, listener: socket.socket) -> None:
        while True:
            await trio.lowlevel.wait_readable(self._epoll.fileno())
            now = time.monotonic()
            for descriptor, _ in self._epoll.poll(0, BATCH):
                flow = self._by_descriptor.get(descriptor)
                if flow is not None:
                    self._answer_flow(flow, listener, now)

    def _answer_flow(self, flow: _Flow, listener: socket.socket, now: float) -> None:
        for _ in range(BATCH):
            try:
                data = flow.socket.recv(DATAGRAM_BYTES)
            except BlockingIOError:
                return
            except OSError:
                self._failed(flow, now)
                return
            self._forget(flow)
            self._flows.find(flow.phone, now)
            self._counters.bytes_out.value += len(data)
            with contextlib.suppress(OSError):
                # A phone that is gone, or a full send queue: UDP promises neither.
                listener.sendto(data, flow.phone)

    # -- flows ----------------------------------------------------------------------

    def _begin(self, phone: Address, listener: socket.socket, now: float) -> _Flow | None:
        packed = socket.inet_pton(listener.family, phone[0])
        placement = self._distributor.place(packed, phone[1], now, key=packed + phone[1].to_bytes(2, "big"))
        if isinstance(placement, Refusal):
            self._counters.refused[placement].value += 1
            return None
        if placement is None:
            self._counters.no_worker.value += 1
            return None
        name = placement.worker.name
        try:
            connected = _connected(self._addresses[name])
        except OSError:
            self._counters.exhausted.value += 1
            self._distributor.finished(placement.ticket)
            return None
        placement.worker.open += 1
        flow = _Flow(phone, packed, placement.ticket, name, connected)
        if self._send_proxy:
            vip = listener.getsockname()
            flow.preface = encode_v2(Endpoint(phone[0], phone[1]), Endpoint(vip[0], vip[1]), datagram=True)
        self._register(flow)
        self._counters.handed.value += 1
        for given_up in self._flows.add(phone, flow, now):
            self._end(given_up)
        return flow

    def _keep(self, flow: _Flow, data: bytes, now: float) -> None:
        if len(flow.unanswered) >= UNANSWERED_MAX:
            self._forget(flow)
        if self._kept_bytes + len(data) <= KEPT_BYTES_MAX:
            flow.unanswered.append((now, data))
            self._kept_bytes += len(data)

    def _forget(self, flow: _Flow) -> None:
        if flow.unanswered:
            self._kept_bytes -= len(flow.unanswered.popleft()[1])

    def _send(self, flow: _Flow, data: bytes, now: float) -> None:
        try:
            flow.socket.send(data)
        except BlockingIOError:
            pass  # its queue is full; dropping is what UDP does then
        except OSError:
            # The error is an earlier datagram's; this one was not sent yet.
            self._failed(flow, now)

    def _failed(self, flow: _Flow, now: float) -> None:
        name = flow.endpoint
        probe = self._probes.get(name)
        if probe is not None and probe.failed(now):
            self._log.warning("l4.endpoint_unwell", endpoint=name)
            self._distributor.set_well(name, False, now)
        self._move(flow, now)

    def _move(self, flow: _Flow, now: float) -> None:
        """Give the flow another endpoint, and that one what was not answered."""
        before = self._distributor.workers.get(flow.endpoint)
        again = self._distributor.place_again(
            flow.packed + flow.phone[1].to_bytes(2, "big"), flow.ticket, now, {flow.endpoint}
        )
        if before is not None and before.linked:
            before.open = max(0, before.open - 1)
        self._unregister(flow)
        if again is None:
            self._lose(flow)
            return
        try:
            flow.socket = _connected(self._addresses[again.worker.name])
        except OSError:
            self._lose(flow)
            return
        flow.endpoint = again.worker.name
        again.worker.open += 1
        self._counters.given_again.value += 1
        self._register(flow)
        for came_at, data in flow.unanswered:
            if now - came_at < FRESH_S:
                with contextlib.suppress(OSError):
                    flow.socket.send(data)

    def _lose(self, flow: _Flow) -> None:
        """End a flow that nobody can take; its socket is closed already."""
        self._flows.remove(flow.phone)
        self._forget_all(flow)
        self._distributor.finished(flow.ticket)

    def _forget_all(self, flow: _Flow) -> None:
        while flow.unanswered:
            self._forget(flow)

    def _end(self, flow: _Flow) -> None:
        self._unregister(flow)
        self._forget_all(flow)
        worker = self._distributor.workers.get(flow.endpoint)
        if worker is not None:
            worker.open = max(0, worker.open - 1)
        self._distributor.finished(flow.ticket)

    def _register(self, flow: _Flow) -> None:
        self._by_descriptor[flow.socket.fileno()] = flow
        self._epoll.register(flow.socket, select.EPOLLIN)

    def _unregister(self, flow: _Flow) -> None:
        del self._by_descriptor[flow.socket.fileno()]
        flow.socket.close()  # which also takes it out of the epoll

    # -- endpoints ------------------------------------------------------------------

    async def watch(self) -> None:
        """End silent flows and try endpoints, until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                await trio.sleep(TICK_S)
                now = time.monotonic()
                for flow in self._flows.expire(now):
                    self._end(flow)
                self._distributor.admission.expire(now)
                self._distributor.refresh(now)
                self._counters.see(self._distributor)
                for name, probe in self._probes.items():
                    if probe.due(now):
                        probe.asked(now)
                        nursery.start_soon(self._try, name, probe)

    async def _try(self, name: str, probe: Probe) -> None:
        # An empty datagram is no question in any protocol.  All it can bring back is
        # the kernel's word that nobody listens.
        refused = False
        try:
            with _connected(self._addresses[name]) as trial:
                trial.send(b"")
                await trio.sleep(REFUSE_S)
                refused = trial.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0
        except (OSError, KeyError):
            refused = True
        now = time.monotonic()
        changed = probe.failed(now) if refused else probe.answered(now)
        if changed and self._probes.get(name) is probe:
            self._distributor.set_well(name, probe.well, now)


def _connected(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        made.connect(address)
    except OSError:
        made.close()
        raise
    return made
