"""One L7 worker: connections come in from L4, requests go out to the services.  [I/O]

`serve` puts the parts together and runs five kinds of task: the links to L4, the
poller, which serves connections, one for each connection that has to wait, the
walker (deadlines, pools, log, counters, four times a second), and the active health
checks.  Losing the hub or an L4 changes nothing for the connections that are here.
"""

import gc
import random
import socket
import ssl
import struct
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import trio

from edge.common.config import Config
from edge.common.handover import Handover
from edge.common.process import Process
from edge.common.proxy_protocol import Trusted
from edge.l7 import compose
from edge.l7.cache.flight import Flight
from edge.l7.compose import Stages
from edge.l7.connection import PhoneConnection
from edge.l7.counts import Seen
from edge.l7.forward import Forwarder, Target
from edge.l7.handover_receiver import HandoverReceiver
from edge.l7.http1.memo import HeadMemo
from edge.l7.http1.reply_head import ReplyMemo
from edge.l7.http1.rules import limits_of
from edge.l7.inspections import SWITCH_INTERVAL_S, Inspections
from edge.l7.ledger import Ledger
from edge.l7.limits_sync import share_limits
from edge.l7.mirror import Mirrors
from edge.l7.orders import Orders
from edge.l7.poller import Poller
from edge.l7.record import Flow
from edge.l7.relay_receiver import RelayReceiver
from edge.l7.request import Request
from edge.l7.revalidate import revalidate
from edge.l7.stage_counts import StageCounts
from edge.l7.stages.caller import are_asked
from edge.l7.stages.waf import DearHead
from edge.l7.tls import Certificates, Tls
from edge.l7.transport import IDLE, TLS_READ_BYTES, TUNNEL, Transport
from edge.l7.upstream.affinity import CookieAffinity
from edge.l7.upstream.checks import run_checks
from edge.l7.upstream.cluster import Cluster
from edge.l7.upstream.pool import Way
from edge.l7.verdict import Answer
from edge.l7.waf.inspector import Inspector

# Deadlines are in seconds; a quarter of one is precise enough, and a walk is one comparison a connection.
WALK_S: Final = 0.25
# How often we look who does not read: one system call per idle connection, so not at each walk.
SLOW_LOOK_S: Final = 1.0
# How much the kernel takes for a phone before it could send it (HAProxy tune.notsent-lowat).  Its own
# bound is megabytes: 300 slow readers had us encrypt 480 MB that nobody read.
UNSENT_BYTES_MAX: Final = 128 * 1024
# In a drain, a phone that keeps quiet for this share of it is taken to be away.
QUIET_SHARE: Final = 0.7
# struct tcp_info of linux/tcp.h up to tcpi_rtt, which counts microseconds.
_TCP_INFO: Final = struct.Struct("8B16I")
_RTT_FIELD: Final = 8 + 15


class Worker:
    """Everything that the connections of one worker share."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.name = process.name
        self.hop = process.name.encode()
        self.config = process.config
        self.revision = process.revision
        self.draining = False
        self.date_line = b""
        self.dice = random.Random(random.SystemRandom().getrandbits(128))
        l7 = self.config.l7
        self.limits = limits_of(l7)
        self.poller = Poller()
        self.memo = HeadMemo(self.limits, l7.memo_entries_max, l7.memo_bytes_max)
        self.reply_memo = ReplyMemo(l7.memo_entries_max, l7.memo_bytes_max // 8)
        self.forwarder = Forwarder(self.reply_memo, self.dice)
        self.forwarder.faults = process.faults
        self.mirrors = Mirrors(
            lambda: self.forwarder.targets, self.reply_memo, self.dice, self._spawn, process.metrics
        )
        self.certificates = Certificates(process.run_dir)
        self.stages = Stages(
            self.config,
            process.run_dir,
            process.log,
            lambda: self.forwarder.under_way,
            self._revalidate_later,
            hurried=True,
        )
        self.inspections = Inspections(self.stages)
        self.certificates.ask_callers(self.stages.asks_callers)
        self.pipeline = self.stages.pipeline
        self.connections: set[PhoneConnection] = set()
        self.orders = Orders(self)
        self.ledger = Ledger(process, self._found)
        self.counts = self.ledger.counts
        self.stage_counts = StageCounts(process.metrics)
        self.receiver = HandoverReceiver(
            process.run_dir / "l7" / f"{self.name}.sock", self.take, process.log, self.poller
        )
        pop = next((pop for pop in self.config.pop if pop.name == process.pop), None)
        self.relay_receiver = RelayReceiver(
            self.take,
            process.log,
            process.metrics,
            trusted=self.config.l7.relay_from,
            http_port=self.config.http_port if pop is None else self.config.http_port_of(pop),
        )
        self._looked_at = 0.0
        self.unix_offset = 0.0
        self._waits: dict[int, trio.Event] = {}
        self._nursery: trio.Nursery | None = None
        self._set_targets(self.config)

    # -- connections ------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until drained."""
        process = self.process
        self.orders.attach()
        listener = self.receiver.listen()
        self._tick(time.monotonic())
        # What is here now lives as long as the worker: the collector need not walk it again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self.poller.run)
                nursery.start_soon(self.receiver.run, listener)
                nursery.start_soon(self._walk)
                nursery.start_soon(self.orders.renewal.run)
                nursery.start_soon(run_checks, self._clusters, process.log)
                nursery.start_soon(share_limits, process, lambda: self.stages.ratelimit.shared)
                process.live(self._address(nursery))
                await process.draining.wait()
                await self._drain()
                nursery.cancel_scope.cancel()
        finally:
            for connection in list(self.connections):
                connection.close()
            self.ledger.close()
            for target in self.forwarder.targets.values():
                target.way.close()
            self.poller.close()

    def _address(self, nursery: trio.Nursery) -> str:
        """Where L4 finds us; begins to take relayed connections, if there are to be any."""
        listener = self.process.sockets.get("relay")
        if listener is None:
            return str(self.process.run_dir / "l7" / f"{self.name}.sock")
        nursery.start_soon(self.relay_receiver.run, listener)
        host, port = listener.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def take(
        self,
        sock: socket.socket,
        handover: Handover,
        ended: Callable[[int], None],
        rtt_us: int | None = None,
    ) -> None:
        """A connection has come from L4; `ended` wants its ticket back when it is over.

        `rtt_us` is that to the phone, where the socket does not lead to it.
        """
        received_ns = time.monotonic_ns()
        self.counts.connections.value += 1
        try:
            if len(self.connections) >= self.config.l7.connections_max:
                self.counts.refused.value += 1
                raise ConnectionRefusedError
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES_MAX)
            flow = Flow(handover, received_ns, rtt_us=_rtt_us(sock) if rtt_us is None else rtt_us)
            tls = Tls(self.certificates.context, sock) if handover.listener == "https" else None
        except OSError:  # or it was gone before we had it
            sock.close()
            ended(handover.ticket)
            return
        connection = PhoneConnection(self, Transport(sock, self.poller, TLS_READ_BYTES, tls), flow, ended)
        self.connections.add(connection)
        connection.start()

    def attend(self, connection: PhoneConnection, work: Callable[[], Awaitable[None]]) -> None:
        """Have `work` done, which may wait; when it fails, that ends this connection and no other."""
        assert self._nursery is not None, "links are served by `run` only"
        self._nursery.start_soon(self._attend, connection, work)

    def forget(self, connection: PhoneConnection) -> None:
        """It has been closed."""
        self.connections.discard(connection)

    def failed(self, connection: PhoneConnection, error: Exception) -> None:
        """A bug: end the connection that met it."""
        self.counts.bugs.value += 1
        conn_id = connection.flow.handover.conn_id
        self.process.log.error("l7.bug", error=repr(error), conn_id=conn_id, where=_where(error))
        connection.close()

    async def _attend(self, connection: PhoneConnection, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as error:
            self.failed(connection, error)

    async def _drain(self) -> None:
        self.draining = True
        self.receiver.drain()
        start = time.monotonic()
        limit = self.process.drain_s - WALK_S
        # A phone that asks again in this time is answered with `Connection: close`; closing an idle
        # connection at once would race with the request that is on its way.
        while self.connections and (past := time.monotonic() - start) < limit:
            if past > limit * QUIET_SHARE:
                for connection in list(self.connections):
                    if connection.transport.phase in (IDLE, TUNNEL):
                        connection.expire()
            await trio.sleep(0.02)

    # -- the walker -------------------------------------------------------------------

    async def _walk(self) -> None:
        while True:
            before = time.monotonic()
            await trio.sleep(WALK_S)
            now = time.monotonic()
            self.stages.shed.tick(now - before - WALK_S, now)
            self._tick(now)

    def _tick(self, now: float) -> None:
        expired = [one for one in self.connections if one.transport.deadline <= now]
        for connection in expired:
            connection.expire()
        if now - self._looked_at >= SLOW_LOOK_S:
            self._looked_at = now
            for connection in list(self.connections):
                connection.cut_if_slow(now)
        # Wall clock without a call per request; four corrections a second follow any step of the clock.
        self.unix_offset = time.time() - now
        # RFC 9110 section 5.6.7; `formatdate` would cost more than the rest of an answer.
        self.date_line = time.strftime("date: %a, %d %b %Y %H:%M:%S GMT\r\n", time.gmtime()).encode()
        for target in self.forwarder.targets.values():
            target.way.sweep(now)
        self.ledger.account()
        for source, reason, for_s in self.stages.take_bans():
            self.process.link.report("offender", {"source": source, "reason": reason, "for_s": for_s})
        self.orders.spread_canary_news()
        self.stages.auth.expire(now + self.unix_offset)
        self.counts.observe(
            Seen(
                connections=len(self.connections),
                judged=self.memo.judged,
                log_lost=self.ledger.log_lost + self.stages.waf.found_lost,
                retries=self.forwarder.retries,
                stale_retries=self.forwarder.stale_retries,
                hedges_won=self.forwarder.hedges.won,
                hedges_lost=self.forwarder.hedges.lost,
                inflight={name: target.cluster.active for name, target in self.forwarder.targets.items()},
                blocked=self.stages.waf.blocked,
                detected=self.stages.waf.detected,
                inspections=self.stages.waf.inspector.tally,
                limited=self.stages.ratelimit.refused,
            )
        )
        stages = self.stages
        self.stage_counts.observe(
            stages.cache, stages.experiment, stages.shed, stages.ratelimit.shared, self._clusters()
        )
        load = self.process.link.load
        load["connections"] = float(len(self.connections))
        load["requests"] = float(self.counts.requests)

    def _found(self) -> list[dict[str, Any]]:
        # Of the stage that is in use now: a reload may have brought another.
        return self.stages.waf.take_found()

    # -- what connections ask for --------------------------------------------------------

    def _spawn(self, function: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        assert self._nursery is not None, "asked by connections, which `run` serves"
        self._nursery.start_soon(function, *arguments)

    def redirect(self, request: Request) -> Answer:
        """Plain HTTP is answered with the way to HTTPS."""
        pop = next((pop for pop in self.config.pop if pop.name == self.process.pop), None)
        port = self.config.https_port if pop is None else self.config.https_port_of(pop)
        host = request.host or self.config.domain
        place = host if port == 443 else f"{host}:{port}"
        path = request.target if request.target.startswith(b"/") else b"/"
        return Answer(
            status=308,
            reason="REDIRECT",
            why="plain HTTP is only spoken to send phones to HTTPS",
            headers=((b"location", b"https://%b%b" % (place.encode(), path)),),
            body=b"",
            content_type=b"",
        )

    async def wait_for(self, token: object, timeout_s: float) -> None:
        """Until `token` is released, but no longer than `timeout_s`; a dear head is inspected meanwhile."""
        if isinstance(token, DearHead):
            await self.inspections.head(token)
            return
        event = self._waits.setdefault(id(token), trio.Event())
        with trio.move_on_after(timeout_s):
            await event.wait()

    def release(self, token: object) -> None:
        """Wake those who wait for `token`."""
        event = self._waits.pop(id(token), None)
        if event is not None:
            event.set()

    def handshake_done(self, flow: Flow) -> None:
        """Count a handshake."""
        self.counts.handshake(flow)

    def handshake_failed(self, error: ssl.SSLError) -> None:
        """Count a handshake, or a connection, that broke by the rules of TLS."""
        self.counts.handshake_failures.child((error.reason or "unknown").lower()).value += 1

    # -- under which configuration ----------------------------------------------------------

    def _set_targets(self, config: Config) -> None:
        now = time.monotonic()
        old = self.forwarder.targets
        targets: dict[str, Target] = {}
        secret = compose.affinity_secret(self.process.run_dir, config)
        for cluster in config.cluster:
            known = old.get(cluster.name)
            if known is not None and known.cluster.config == cluster:
                targets[cluster.name] = known
                continue
            keeper = Cluster(cluster, now, self.dice, config.service)
            keeper.update(self.process.link.members.values(), now)
            affinity = CookieAffinity(cluster.name, secret) if cluster.affinity == "cookie" else None
            if affinity is not None:
                affinity.set_endpoints(keeper.names())
            targets[cluster.name] = Target(keeper, Way(cluster, self.poller), affinity)
        self.forwarder.targets = targets
        self.ledger.slow_ns = int(config.l7.slow_request_s * 1e9)

    async def prepare(self, config: Config) -> Inspector:
        """What of `config` takes long to make, made in another thread.  Raises an `EdgeError`."""
        # Nobody waits for it when the worker ends.
        return await trio.to_thread.run_sync(self.stages.inspector, config, abandon_on_cancel=True)

    def use(self, config: Config, revision: str, inspector: Inspector | None = None) -> None:
        """Serve under `config` from the next request on; `inspector` has been prepared for it, if by anybody.
        Raises an `EdgeError`; the old one then stays."""
        inspector = inspector or self.stages.inspector(config)
        compose.affinity_secret(self.process.run_dir, config)
        self.certificates.ask_callers(are_asked(config.route))
        self.stages.reload(config, inspector)
        self.config, self.revision = config, revision
        self.pipeline = self.stages.pipeline
        self.limits = limits_of(config.l7)
        self.relay_receiver.trusted = Trusted(config.l7.relay_from)
        self._set_targets(config)

    def _revalidate_later(self, request: Request, flight: Flight) -> None:
        target = self.forwarder.targets.get(request.route.cluster) if request.route is not None else None
        if target is None or self._nursery is None:
            flight.end(False, time.monotonic(), self.unix_offset + time.monotonic())
            return
        self._nursery.start_soon(revalidate, target.cluster, request, flight, self.release)

    def _clusters(self) -> list[Cluster]:
        return [target.cluster for target in self.forwarder.targets.values()]

    def explain(self) -> dict[str, Any]:
        """Everything an operator may want to see, as plain values."""
        return {
            "connections": len(self.connections),
            "requests": self.counts.requests,
            "h11_judged": self.memo.judged,
            "h11_judged_replies": self.reply_memo.judged,
            "retries": self.forwarder.retries,
            "stale_retries": self.forwarder.stale_retries,
            "hedges": {"won": self.forwarder.hedges.won, "lost": self.forwarder.hedges.lost},
            "revision": self.revision,
            "clusters": [
                target.cluster.explain()
                | {"idle": target.way.idle_count(), "opened": target.way.opened, "in_use": target.way.in_use}
                for target in self.forwarder.targets.values()
            ],
        }


def prepare(config: Config) -> None:
    """Called once by the supervisor before it forks the workers."""
    compose.prepare(config)


async def serve(process: Process) -> None:
    """The tier's entry point."""
    await Worker(process).run()


def _rtt_us(sock: socket.socket) -> int:
    try:
        raw = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        return int(_TCP_INFO.unpack(raw)[_RTT_FIELD])
    except (OSError, struct.error):
        return 0


def _where(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}"
