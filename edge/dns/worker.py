"""The DNS process: packets in, replies out; `edge.dns.nameserver` knows what to say.  [I/O]

The sockets are bound by the supervisor and outlive us: a packet that arrives while
a worker is restarted waits in its socket.  A draining worker simply stops reading.

Alone, we hold the edge's DNS address ("udp", "tcp").  Where there are several of us
an L4 holds it, and we listen on a loopback port of our own ("inner-udp",
"inner-tcp"): what comes there begins with a PROXY header that names the phone, whom
the response limit, the location and the trace are about.  Anything else that comes
there is dropped: on that port nobody but our L4 has business.
"""

import os
import socket
import time
from functools import partial

import trio

from edge.common.config import Config
from edge.common.fault_hook import stall, struck
from edge.common.metrics import Number
from edge.common.process import Process
from edge.common.proxy_protocol import ProxyProtocolError, parse
from edge.common.spans import SERVER, Span
from edge.common.trace import parse_traceparent
from edge.dns import tcp
from edge.dns.nameserver import NameServer, Outcome

# Larger queries exist only to be refused; the kernel cuts off the rest.
PACKET_BYTES_MAX = 4096
# Packets answered before other tasks get a turn: a flood must not delay our beats.
BATCH = 64
# Replies that a fault may hold back at once; past it they are dropped, as a full queue would.
STALLED_MAX = 1024


async def serve(process: Process) -> None:
    """Answer on `process.sockets["udp"]` and `["tcp"]` (or the inner ones) until drained."""
    behind_l4 = "inner-udp" in process.sockets
    inner = "inner-" if behind_l4 else ""
    udp, listener = process.sockets[f"{inner}udp"], process.sockets[f"{inner}tcp"]
    host, port = udp.getsockname()[:2]
    # What the zone calls our address is where phones reach us, not where the L4 does.
    public = process.config.dns.listen.rpartition(":")[0].strip("[]") if behind_l4 else host
    server = NameServer(process.config, process.name, public, serial=int(time.time()))
    front = Front(process, server)
    process.link.on_members(server.learn)
    process.link.on_revision(lambda config, revision: server.configure(config, serial=int(time.time())))
    process.link.on_ask(
        "dns", lambda args: server.table(str(args.get("subnet", "")), str(args.get("city", "")))
    )
    process.live(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_answer_udp, process, udp, front, behind_l4)
        nursery.start_soon(
            partial(
                tcp.serve,
                listener,
                front.over_tcp,
                process.config.dns.tcp_idle_timeout_s,
                behind_l4=behind_l4,
            )
        )
        await process.draining.wait()
        nursery.cancel_scope.cancel()


class Front:
    """One process's name server with its clocks, counters and spans."""

    def __init__(self, process: Process, server: NameServer) -> None:
        self.process = process
        self.server = server
        self._answers = process.metrics.counter(
            "edge_dns_answers_total", "Replies, by the POP sent to and the reason", ("pop", "reason")
        )
        self._counters: dict[tuple[str, str], Number] = {}

    def configure(self, config: Config, revision: str) -> None:
        """Answer by a new configuration; one that cannot be used changes nothing."""
        try:
            self.server.configure(config, serial=int(time.time()))
        except ValueError as error:
            self.process.log.error("dns.configure", revision=revision, error=str(error))

    def over_udp(self, data: bytes, source: str) -> bytes | None:
        """The reply to a datagram, or None for silence."""
        return self._answer(data, source, over_tcp=False)

    def over_tcp(self, data: bytes, source: str) -> bytes | None:
        """The reply to a message of a connection, or None where it deserves none."""
        return self._answer(data, source, over_tcp=True)

    def _answer(self, data: bytes, source: str, *, over_tcp: bool) -> bytes | None:
        started_ns = time.monotonic_ns()
        outcome = self.server.answer(data, source, started_ns / 1e9, over_tcp=over_tcp)
        key = (outcome.pop, outcome.fate)
        counter = self._counters.get(key)
        if counter is None:
            counter = self._counters[key] = self._answers.child(*key)
        counter.value += 1
        if outcome.query is not None and outcome.query.edns is not None and outcome.query.edns.trace:
            self._trace(outcome, source, started_ns, over_tcp)
        return outcome.data

    def _trace(self, outcome: Outcome, source: str, started_ns: int, over_tcp: bool) -> None:
        query, answer = outcome.query, outcome.answer
        assert query is not None and query.edns is not None, "only a read query has a trace"
        context = parse_traceparent(query.edns.trace)
        if context is None:
            return
        name = b".".join(query.labels).decode(errors="replace")
        subnet = query.edns.subnet.text() if query.edns.subnet else ""
        records = answer.records if answer else ()
        self.process.spans.add(
            Span(
                trace_id=context.trace_id,
                span_id=os.urandom(8).hex(),
                parent_id=context.span_id,
                name="dns.query",
                service="edge-dns",
                instance=self.process.name,
                pid=self.process.pid,
                kind=SERVER,
                start_ns=started_ns,
                end_ns=time.monotonic_ns(),
                attributes={
                    "dns.question.name": name,
                    "dns.answers": ", ".join(str(record.value) for record in records),
                    "client.address": source,
                    "network.transport": "tcp" if over_tcp else "udp",
                    "edge.dns.subnet": subnet,
                    "edge.dns.reason": outcome.fate,
                    "edge.pop": outcome.pop,
                    "edge.why": answer.why if answer else "",
                },
            )
        )


async def _answer_udp(process: Process, udp: socket.socket, front: Front, behind_l4: bool) -> None:
    async with trio.open_nursery() as nursery:
        while True:
            await trio.lowlevel.wait_readable(udp)
            for _ in range(BATCH):
                try:
                    data, address = udp.recvfrom(PACKET_BYTES_MAX)
                except BlockingIOError:
                    break
                except OSError as error:
                    # An ICMP error of an earlier reply, delivered here; the socket itself is well.
                    process.log.warning("dns.receive", error=str(error))
                    break
                source = address[0]
                if behind_l4:
                    introduced = _introduced(data)
                    if introduced is None:
                        continue
                    source, data = introduced
                reply = front.over_udp(data, source)
                if reply is None:
                    continue
                if process.faults.armed:
                    if len(nursery.child_tasks) < STALLED_MAX:
                        nursery.start_soon(_send_struck, process, udp, reply, address)
                else:
                    _send(udp, reply, address)


def _introduced(data: bytes) -> tuple[str, bytes] | None:
    """The phone and its packet, or None for the L4's probes and for what nobody introduced."""
    try:
        found = parse(data)
    except ProxyProtocolError:
        return None
    if found is None or found[0].source is None:
        return None
    return found[0].source.address, data[found[1] :]


def _send(udp: socket.socket, reply: bytes, address: tuple[str, int]) -> None:
    try:
        udp.sendto(reply, address)
    except OSError:
        # A full buffer, or an address that nobody can answer (port 0).  UDP promises
        # nothing, and whoever really asked will ask again.
        pass


async def _send_struck(process: Process, udp: socket.socket, reply: bytes, address: tuple[str, int]) -> None:
    strike = struck(process.faults)
    if strike is None:
        _send(udp, reply, address)
    elif not (strike.hang or strike.reset or strike.status):
        # A packet has no connection to reset and no status to carry: those faults lose it.
        await stall(strike)
        _send(udp, reply, address)
