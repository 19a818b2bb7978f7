"""Where are the endpoints, and does each answer?  [I/O]

For the engine that connects by itself: addresses by name, a connection to the chosen
one or to the next best, and probes of that very hop.

A probe connects.  Where a PROXY header goes first the probe says LOCAL, which is clearly
no phone's; and where `hears_end` is set it also waits until the endpoint hangs up, for a
socket that a supervisor holds takes connections while nobody is there to serve them.
"""

import random
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass

import trio

from edge.common.log import Log
from edge.common.proxy_protocol import encode_v2
from edge.l4.distributor import Distributor, Placement
from edge.l4.probe import HOP, Probe
from edge.l4.sockets import close, dial, send_all

CONNECT_TRIES = 3  # HAProxy's `retries`
WATCH_S = 0.1

Address = tuple[str, int]


@dataclass(slots=True)
class _Endpoint:
    address: Address
    probe: Probe


class Endpoints:
    """The endpoints of one distributor."""

    def __init__(
        self, distributor: Distributor, log: Log, *, send_proxy: bool = False, hears_end: bool = False
    ) -> None:
        self._distributor = distributor
        self._log = log
        self._send_proxy = send_proxy
        self._hears_end = hears_end
        self._known: dict[str, _Endpoint] = {}
        self._changed = trio.Event()

    def set(self, addresses: Mapping[str, Address]) -> None:
        """Who may be connected to, by name; those that are gone keep their connections."""
        now = time.monotonic()
        distributor = self._distributor
        for name in [name for name, known in self._known.items() if addresses.get(name) != known.address]:
            distributor.retired(name, now)
            del self._known[name]
        for name in addresses.keys() - self._known.keys():
            distributor.linked(name, now)
            probe = Probe(HOP, now, random)
            probe.answered(now)
            self._known[name] = _Endpoint(addresses[name], probe)
        self._changed.set()
        self._changed = trio.Event()

    async def some(self) -> None:
        """Until there is anybody to connect to."""
        while not self._distributor.can_place():
            await self._changed.wait()

    async def connect(self, placement: Placement, key: bytes) -> tuple[socket.socket | None, Placement]:
        """A connection to the chosen endpoint, or to another one if that cannot be reached."""
        tried: set[str] = set()
        for _ in range(CONNECT_TRIES):
            name = placement.worker.name
            tried.add(name)
            known = self._known.get(name)
            if known is not None:
                began = time.monotonic()
                backend = await dial(known.address)
                now = time.monotonic()
                if backend is not None:
                    self._distributor.observe(name, now - began, now)
                    return backend, placement
                self._failed(name, known)
            again = self._distributor.place_again(key, placement.ticket, time.monotonic(), tried)
            if again is None:
                break
            placement = again
        return None, placement

    async def watch(self) -> None:
        """Probe until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                now = time.monotonic()
                for name, known in self._known.items():
                    if known.probe.due(now):
                        known.probe.asked(now)
                        nursery.start_soon(self._probe, name, known)
                await trio.sleep(WATCH_S)

    async def _probe(self, name: str, known: _Endpoint) -> None:
        answered = await self._try(known.address)
        if self._known.get(name) is not known:
            return  # it moved meanwhile; this says nothing about where it is now
        if not answered:
            self._failed(name, known)
        elif known.probe.answered(time.monotonic()):
            self._log.info("l4.endpoint_well", endpoint=name)
            self._distributor.set_well(name, True, time.monotonic())

    async def _try(self, address: Address) -> bool:
        backend = await dial(address, HOP.timeout_s)
        if backend is None:
            return False
        try:
            with trio.fail_after(HOP.timeout_s):
                if self._send_proxy:
                    await send_all(backend, memoryview(encode_v2(None, None)))
                if self._hears_end:
                    backend.shutdown(socket.SHUT_WR)
                    await trio.lowlevel.wait_readable(backend)
        except (OSError, trio.TooSlowError):
            return not self._hears_end
        finally:
            close(backend)
        return True

    def _failed(self, name: str, known: _Endpoint) -> None:
        now = time.monotonic()
        if known.probe.failed(now):
            self._log.warning("l4.endpoint_unwell", endpoint=name)
            self._distributor.set_well(name, False, now)
