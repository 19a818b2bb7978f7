"""The L4 in front of the name servers: datagrams by flow, TCP by relay.  [I/O]

A process of tier "l4" that owns the DNS address (sockets "udp" and, if there is
one, "tcp") and spreads what comes over the live processes of tier "dns", which
each listen on an address of their own.  Maglev places a resolver's flow, so two
of these fronts, or one that was restarted, agree without talking.

A PROXY header goes before each datagram and each TCP connection: the name servers
limit, place and trace by the phone, who would otherwise always be us.  The limits
are therefore theirs.  Bans do not count here: a datagram's source is a claim, and
by claiming another's one could have a whole resolver's phones sent away.

Endpoints are the members that the hub reports; before its first word, those whose
sockets the supervisor wrote down.  Where none is live all are used: their sockets
outlive them, so a question waits there for the restart.
"""

import random
import resource

import trio

from edge.common.config import AdmissionConfig, DnsConfig
from edge.common.messages import Member
from edge.common.process import Process
from edge.l4.admission import Admission
from edge.l4.counters import Counters
from edge.l4.distributor import Distributor
from edge.l4.flows import FLOWS_MAX
from edge.l4.relay import Options, Relay
from edge.l4.report import statistics
from edge.l4.roster import Roster, noted
from edge.l4.udp import Udp

# A resolver keeps a TCP connection for seconds (RFC 7766 section 6.2.3).
TCP_IDLE_S = 30.0
# A resolver that heard nothing for so long has asked again, from another port
# (BIND's and unbound's timeouts end below).
UDP_IDLE_S = 5.0
# Of the descriptors that we may open, the share that flows may have.
DESCRIPTORS_SHARE = 0.5


class DnsFront:
    """Two engines over the same set of name servers."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._counters = Counters(process.metrics)
        # Each engine counts for itself: a source's datagrams are not its connections.
        self._datagrams = Distributor(Admission(_datagrams(process.config.dns)), "hash", random.Random())
        self._streams = Distributor(
            Admission(process.config.l4.admission), "least-connections", random.Random()
        )
        self._udp = Udp(
            self._datagrams,
            self._counters,
            process.log,
            flows_max=_flows_max(),
            idle_s=UDP_IDLE_S,
            send_proxy=True,
        )
        options = Options(send_proxy=True, idle_s=TCP_IDLE_S, probes_hear_end=True)
        self._tcp = Relay(self._streams, self._counters, process.log, options, name=process.name)
        self._roster = Roster("dns", noted=self._noted())

    async def run(self) -> None:
        """Serve until the process drains."""
        process = self._process
        async with trio.open_nursery() as nursery:
            self._use_endpoints()
            process.link.on_members(self._take_members)
            process.link.on_ask("stats", lambda args: self._statistics())
            udp, tcp = process.sockets["udp"], process.sockets.get("tcp")
            nursery.start_soon(self._udp.accept, udp)
            nursery.start_soon(self._udp.watch)
            if tcp is not None:
                nursery.start_soon(self._tcp.accept, tcp)
                nursery.start_soon(self._tcp.watch)
            host, port = udp.getsockname()[:2]
            process.link.change(role="active")
            process.live(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
            await process.draining.wait()
            self._udp.stop_accepting()
            self._tcp.stop_accepting()
            await self._udp.settle(process.config.l4.drain_s)
            nursery.cancel_scope.cancel()

    def _take_members(self, changed: list[Member], gone: list[str]) -> None:
        self._roster.take(changed, gone)
        self._use_endpoints()

    def _use_endpoints(self) -> None:
        self._udp.set_endpoints(self._roster.usable())
        self._tcp.set_endpoints(self._roster.usable())

    def _noted(self) -> dict[str, tuple[str, int]]:
        try:
            return noted((self._process.run_dir / "listen" / "dns.json").read_bytes(), "inner-udp")
        except OSError:
            return {}  # that tier starts later than we do; the hub will tell

    def _statistics(self) -> dict[str, object]:
        who = {"name": self._process.name, "role": "active", "epoch": 0}
        return statistics(self._datagrams, self._counters, who)


def _datagrams(dns: DnsConfig) -> AdmissionConfig:
    """As many new flows as the name servers would answer; they know better whom to refuse."""
    rate = dns.queries_per_s_max
    return AdmissionConfig(
        source_rate_per_s=rate,
        source_burst=max(1, int(rate)),
        source_connections_max=FLOWS_MAX + 1,  # the flow table's own bound comes first
        rate_per_s=10 * rate,
        burst=max(1, int(10 * rate)),
    )


def _flows_max() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return FLOWS_MAX if soft < 0 else max(1, min(FLOWS_MAX, int(soft * DESCRIPTORS_SHARE)))


async def serve(process: Process) -> None:
    """The entry point of an L4 process whose listening sockets are DNS's."""
    await DnsFront(process).run()
