"""Copy bytes between phones and endpoints: the engine for other hosts and any TCP.  [I/O]

Three tasks a connection: one that owns it, and one for each direction.  A read
goes into a buffer that all connections share and is sent on in the same breath;
only what the other side does not take at once is copied and kept, so an idle
connection holds no buffer and a blocked one at most `CHUNK_BYTES` a direction.
A slow reader therefore slows its writer down, and nothing queues here.

One side finishing is not the end: its FIN is passed on and the other direction
goes on by itself.  An error on either side resets both, because a reset that
became a FIN would turn a broken transfer into a short one.

Bounds: admission caps the connections, `IDLE_S` the time in which nothing moves
in either direction, `sockets.CONNECT_S` each attempt to reach an endpoint, `HEADER_S` the
wait for a PROXY header.
"""

import contextlib
import errno
import os
import random
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Literal

import trio

from edge.common.log import Log
from edge.common.proxy_protocol import (
    TLV_CHOICE,
    TLV_L4_NAME,
    TLV_POLICY,
    TLV_UNIQUE_ID,
    TLV_WHY,
    Endpoint,
    ProxyProtocolError,
    encode_v2,
    parse,
)
from edge.l4.admission import Refusal
from edge.l4.counters import Counters
from edge.l4.distributor import Distributor, Placement
from edge.l4.probe import HOP, Probe
from edge.l4.refuse import LINGER_ZERO, refuse
from edge.l4.sockets import close, dial, send_all

# Larger reads cost fewer system calls a gigabyte; more than this no longer helps.
CHUNK_BYTES = 256 * 1024
# One connection that can always read and always send must let the others run.
CHUNKS_IN_A_ROW = 8
CONNECT_TRIES = 3  # HAProxy's `retries`
HEADER_S = 5.0  # the PROXY specification asks for at least 3
HEADER_BYTES = 16 * 1024
IDLE_S = 3600.0  # Envoy's TCP tunnel
SWEEP_S = 10.0
ACCEPT_BATCH = 64
EXHAUSTED_S = 0.01
# A standby is woken by connections that are not for it; it looks this often whether
# they have become so.
STANDBY_S = 0.01
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


@dataclass(frozen=True, slots=True)
class Options:
    """What a relay does besides copying."""

    send_proxy: bool = False  # tell endpoints who the phone is, with a version 2 header
    proxy_from: tuple[str, ...] = ()  # networks whose connections begin with a PROXY header
    reject: Literal["reset", "drop"] = "reset"
    idle_s: float = IDLE_S


@dataclass(slots=True, eq=False)
class _Flow:
    scope: trio.CancelScope
    moved_at: float
    bytes_in: int = 0
    bytes_out: int = 0


class Relay:
    """The engine: `accept` from a listener, `watch` the endpoints."""

    def __init__(
        self, distributor: Distributor, counters: Counters, log: Log, options: Options, *, name: str
    ) -> None:
        self._distributor = distributor
        self._counters = counters
        self._log = log
        self._options = options
        self._name = name
        self._trusted = [ip_network(network, strict=False) for network in options.proxy_from]
        self._addresses: dict[str, tuple[str, int]] = {}
        self._probes: dict[str, Probe] = {}
        self._flows: set[_Flow] = set()
        self._id_prefix = f"c-{os.getpid():x}{int(time.time()) & 0xFFFFFF:x}-"
        self._accepted = 0
        self._accepting = trio.CancelScope()
        # Shared by all connections: filled and emptied without an await in between.
        self._chunk = memoryview(bytearray(CHUNK_BYTES))

    def set_endpoints(self, addresses: dict[str, tuple[str, int]]) -> None:
        """Who may be connected to, by name; those that are gone keep their connections."""
        now = time.monotonic()
        for name in self._addresses.keys() - addresses.keys():
            self._distributor.unlinked(name, now, self._tickets_of(name))
            del self._probes[name]
        for name in addresses.keys() - self._addresses.keys():
            self._distributor.linked(name, now)
            self._probes[name] = Probe(HOP, now, random)
            self._probes[name].answered(now)
        self._addresses = dict(addresses)

    @property
    def open(self) -> int:
        """Connections that are being relayed."""
        return len(self._flows)

    async def accept(self, listener: socket.socket, may_accept: Callable[[], bool] = lambda: True) -> None:
        """Relay what arrives at `listener`, until cancelled.

        While `may_accept` says no, others accept; connections that are here go on.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._sweep)
            with self._accepting:
                while True:
                    await trio.lowlevel.wait_readable(listener)
                    if not may_accept():
                        await trio.sleep(STANDBY_S)
                    elif not self._accept_batch(listener, nursery, may_accept):
                        self._counters.exhausted.value += 1
                        await trio.sleep(EXHAUSTED_S)

    def _accept_batch(
        self, listener: socket.socket, nursery: trio.Nursery, may_accept: Callable[[], bool]
    ) -> bool:
        """Begin to serve whoever waits; False when out of descriptors."""
        for _ in range(ACCEPT_BATCH):
            if not may_accept():
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
            nursery.start_soon(self._serve, phone, Endpoint(address[0], address[1]))
        return True

    def stop_accepting(self) -> None:
        """Take nobody new; those who are here go on."""
        self._accepting.cancel()

    async def drain(self, patience_s: float) -> None:
        """Wait for open connections to end by themselves, but not for ever."""
        for _ in range(int(patience_s / 0.05)):
            if not self._flows:
                return
            await trio.sleep(0.05)

    # -- one connection -------------------------------------------------------------

    async def _serve(self, phone: socket.socket, peer: Endpoint) -> None:
        # The one broad `except` of this engine: whatever goes wrong ends this
        # connection, is logged, and nobody else notices.
        try:
            await self._admit(phone, peer)
        except ProxyProtocolError as error:
            self._counters.bad_headers.value += 1
            self._log.warning("l4.bad_proxy_header", source=peer.address, error=str(error))
        except (OSError, trio.ClosedResourceError, trio.TooSlowError):
            pass  # the phone is gone, or said nothing
        except Exception as error:
            self._log.error("l4.relay_failed", source=peer.address, error=repr(error))
        finally:
            close(phone)

    async def _admit(self, phone: socket.socket, peer: Endpoint) -> None:
        source, early = peer, b""
        if self._is_trusted(peer.address):
            source, early = await self._read_header(phone, peer)
        packed = ip_address(source.address).packed
        placement = self._distributor.place(packed, source.port, time.monotonic())
        if isinstance(placement, Refusal):
            self._counters.refused[placement].value += 1
            refuse(phone, self._options.reject)
            return
        if placement is None:
            self._counters.no_worker.value += 1
            refuse(phone, "reset")
            return
        self._accepted += 1
        with trio.CancelScope() as scope:
            flow = _Flow(scope, time.monotonic())
            self._flows.add(flow)
            try:
                await self._relay(phone, source, early, placement, flow)
            finally:
                self._flows.discard(flow)
                self._distributor.finished(placement.ticket)
                self._counters.bytes_in.value += flow.bytes_in
                self._counters.bytes_out.value += flow.bytes_out

    async def _relay(
        self, phone: socket.socket, source: Endpoint, early: bytes, placement: Placement, flow: _Flow
    ) -> None:
        backend, placement = await self._connect(placement, ip_address(source.address).packed)
        if backend is None:
            self._counters.no_worker.value += 1
            refuse(phone, "reset")
            return
        worker, link = placement.worker, placement.worker.link
        worker.open += 1
        try:
            self._counters.handed.value += 1
            await self._introduce(phone, backend, source, early, placement)
            await self._copy_both(phone, backend, flow)
        finally:
            if worker.link == link:  # else it left and came back, and counts from zero
                worker.open -= 1
            close(backend)

    async def _read_header(self, phone: socket.socket, peer: Endpoint) -> tuple[Endpoint, bytes]:
        """Who the trusted proxy says it is, and the bytes that came behind its header."""
        data = b""
        with trio.fail_after(HEADER_S):
            while True:
                await trio.lowlevel.wait_readable(phone)
                more = phone.recv(HEADER_BYTES - len(data) + 1)
                if not more:
                    raise ProxyProtocolError("the connection ended within the header")
                data += more
                found = parse(data)
                if found is not None:
                    header, length = found
                    return header.source or peer, data[length:]

    def _is_trusted(self, address: str) -> bool:
        if not self._trusted:
            return False
        peer = ip_address(address)
        mapped = getattr(peer, "ipv4_mapped", None) or peer
        return any(mapped in network for network in self._trusted if network.version == mapped.version)

    async def _connect(self, placement: Placement, packed: bytes) -> tuple[socket.socket | None, Placement]:
        """A connection to the chosen endpoint, or to another one if that cannot be reached."""
        tried: set[str] = set()
        for _ in range(CONNECT_TRIES):
            name = placement.worker.name
            tried.add(name)
            address = self._addresses.get(name)
            if address is not None:
                began = time.monotonic()
                backend = await dial(address)
                now = time.monotonic()
                if backend is not None:
                    self._distributor.observe(name, now - began, now)
                    return backend, placement
                self._failed(name)
            again = self._distributor.place_again(packed, placement.ticket, time.monotonic(), tried)
            if again is None:
                break
            placement = again
        return None, placement

    async def _introduce(
        self,
        phone: socket.socket,
        backend: socket.socket,
        source: Endpoint,
        early: bytes,
        placement: Placement,
    ) -> None:
        """Send the PROXY header, if wanted, and what came before the endpoint was there."""
        if self._options.send_proxy:
            vip = phone.getsockname()
            tlvs = [
                (TLV_UNIQUE_ID, f"{self._id_prefix}{self._accepted:x}".encode()),
                (TLV_L4_NAME, self._name.encode()),
                (TLV_POLICY, self._distributor.policy.encode()),
                (TLV_CHOICE, placement.worker.name.encode()),
                (TLV_WHY, placement.choice.why.encode()[:200]),
            ]
            early = encode_v2(source, Endpoint(vip[0], vip[1]), tlvs) + early
        if early:
            await send_all(backend, memoryview(early))

    async def _copy_both(self, phone: socket.socket, backend: socket.socket, flow: _Flow) -> None:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._copy, phone, backend, flow, True)
                nursery.start_soon(self._copy, backend, phone, flow, False)
        except* OSError:
            for end in (phone, backend):
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)

    async def _copy(self, source: socket.socket, sink: socket.socket, flow: _Flow, inwards: bool) -> None:
        chunk = self._chunk
        while True:
            await trio.lowlevel.wait_readable(source)
            for _ in range(CHUNKS_IN_A_ROW):
                try:
                    count = source.recv_into(chunk)
                except BlockingIOError:
                    break
                flow.moved_at = time.monotonic()
                if not count:
                    sink.shutdown(socket.SHUT_WR)
                    return
                if inwards:
                    flow.bytes_in += count
                else:
                    flow.bytes_out += count
                try:
                    sent = sink.send(chunk[:count])
                except BlockingIOError:
                    sent = 0
                if sent < count:
                    # Others use the chunk while we wait, so the rest needs its own memory.
                    await send_all(sink, memoryview(bytes(chunk[sent:count])))
                    flow.moved_at = time.monotonic()
                if count < CHUNK_BYTES:
                    break  # that was all; asking again would cost a call to hear so

    async def _sweep(self) -> None:
        while True:
            await trio.sleep(SWEEP_S)
            deadline = time.monotonic() - self._options.idle_s
            for flow in list(self._flows):
                if flow.moved_at < deadline:
                    flow.scope.cancel()

    # -- endpoints ------------------------------------------------------------------

    async def watch(self) -> None:
        """Probe endpoints by connecting to them, until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                now = time.monotonic()
                self._distributor.admission.expire(now)
                self._distributor.refresh(now)
                for name, probe in self._probes.items():
                    if probe.due(now):
                        probe.asked(now)
                        nursery.start_soon(self._probe, name)
                self._counters.see(self._distributor)
                await trio.sleep(0.1)

    async def _probe(self, name: str) -> None:
        address = self._addresses.get(name)
        backend = await dial(address, HOP.timeout_s) if address is not None else None
        now = time.monotonic()
        probe = self._probes.get(name)
        if backend is None:
            self._failed(name)
            return
        with contextlib.suppress(OSError, trio.TooSlowError):
            if self._options.send_proxy:
                # The same path as a phone's connection, and clearly not one.
                with trio.fail_after(HOP.timeout_s):
                    await send_all(backend, memoryview(encode_v2(None, None)))
        close(backend)
        if probe is not None and probe.answered(now):
            self._log.info("l4.endpoint_well", endpoint=name)
            self._distributor.set_well(name, True, now)

    def _failed(self, name: str) -> None:
        now = time.monotonic()
        probe = self._probes.get(name)
        if probe is not None and probe.failed(now):
            self._log.warning("l4.endpoint_unwell", endpoint=name)
            self._distributor.set_well(name, False, now)

    def _tickets_of(self, name: str) -> list[int]:
        link = self._distributor.workers[name].link
        return [row.ticket for row in self._distributor.connections.rows(1 << 20) if row.link == link]
