"""The L4 in front of the name servers: datagrams by flow, TCP by relay.  [I/O]

A process of tier "l4" that owns the DNS address (sockets "udp" and, if there is
one, "tcp") and spreads what comes over the live processes of tier "dns", which
each listen on an address of their own.  Maglev places a resolver's flow, so two
of these fronts, or one that was restarted, agree without talking.

Endpoints are the members that the hub reports; what was last heard stays in force
while the hub is away.
"""

import random

import trio

from edge.common.messages import Member
from edge.common.process import Process
from edge.l4.addresses import host_and_port
from edge.l4.admission import Admission
from edge.l4.counters import Counters
from edge.l4.distributor import Distributor
from edge.l4.relay import Options, Relay
from edge.l4.report import statistics
from edge.l4.udp import Udp

# A resolver keeps a TCP connection for seconds (RFC 7766 section 6.2.3).
TCP_IDLE_S = 30.0


class DnsFront:
    """Two engines over the same set of name servers."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._counters = Counters(process.metrics)
        admission = process.config.l4.admission
        # Each engine counts for itself: a source's datagrams are not its connections.
        self._datagrams = Distributor(Admission(admission), "hash", random.Random())
        self._streams = Distributor(Admission(admission), "least-connections", random.Random())
        self._udp = Udp(self._datagrams, self._counters, process.log)
        self._tcp = Relay(
            self._streams, self._counters, process.log, Options(idle_s=TCP_IDLE_S), name=process.name
        )
        self._addresses: dict[str, tuple[str, int]] = {}

    async def run(self) -> None:
        """Serve until the process drains."""
        process = self._process
        async with trio.open_nursery() as nursery:
            process.link.on_members(self._take_members)
            process.link.on_ask("stats", lambda args: self._statistics())
            udp, tcp = process.sockets["udp"], process.sockets.get("tcp")
            nursery.start_soon(self._udp.accept, udp)
            nursery.start_soon(self._udp.watch)
            if tcp is not None:
                nursery.start_soon(self._tcp.accept, tcp)
                nursery.start_soon(self._tcp.watch)
            host, port = udp.getsockname()[:2]
            process.live(f"{host}:{port}")
            await process.draining.wait()
            self._udp.stop_accepting()
            self._tcp.stop_accepting()
            await self._udp.drain(process.config.l4.drain_s)
            nursery.cancel_scope.cancel()

    def _take_members(self, changed: list[Member], gone: list[str]) -> None:
        for member in changed:
            address = host_and_port(member.address)
            if member.tier != "dns" or address is None:
                continue
            if member.state == "live" and member.weight > 0:
                self._addresses[member.name] = address
            else:
                self._addresses.pop(member.name, None)
        for name in gone:
            self._addresses.pop(name, None)
        self._udp.set_endpoints(self._addresses)
        self._tcp.set_endpoints(self._addresses)

    def _statistics(self) -> dict[str, object]:
        who = {"name": self._process.name, "role": "active", "epoch": 0}
        return statistics(self._datagrams, self._counters, who)


async def serve(process: Process) -> None:
    """The entry point of an L4 process whose listening sockets are DNS's."""
    await DnsFront(process).run()
