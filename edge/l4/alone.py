"""An L4 that needs no other process of ours: listen here, relay to those.  [I/O]

`edge l4 --listen 127.0.0.1:8000 --to 127.0.0.1:9001 --to 127.0.0.1:9002` ends up
here.  Same distributor, same admission, same relay as in the formation; what the
hub would say is said by the command line, once.
"""

import errno
import random
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import trio

from edge.common.config import AdmissionConfig, Balance
from edge.common.errors import EdgeError
from edge.common.log import Log
from edge.common.metrics import Registry
from edge.common.preflight_facts import owner_of
from edge.l4.addresses import at
from edge.l4.admission import Admission
from edge.l4.counters import Counters
from edge.l4.distributor import Distributor
from edge.l4.relay import Options, Relay
from edge.l4.succession import await_heir, bequeath, inherit
from edge.l4.udp import Udp

BACKLOG = 1024  # Proxygen's accept backlog


class CannotListen(EdgeError):
    """The address is taken, or not ours."""

    blame = "operator"
    status_hint = None


@dataclass(frozen=True, slots=True)
class Alone:
    """What the command line says."""

    listen: tuple[str, int]
    to: tuple[tuple[str, int], ...]
    balance: Balance = "weighted"
    admission: AdmissionConfig = field(default_factory=AdmissionConfig)
    options: Options = field(default_factory=Options)
    datagrams: bool = False
    handover: Path | None = None
    drain_s: float = 30.0  # Envoy's lab default for a drain


async def serve_alone(alone: Alone, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM, SIGINT or a successor; `ready` is told the address.

    Raises `CannotListen`.
    """
    log = Log("edge-l4", "l4")
    listener = _listener(alone)
    counters = Counters(Registry())
    distributor = Distributor(Admission(alone.admission), alone.balance, random.Random())
    addresses = {at(host, port): (host, port) for host, port in alone.to}
    over = trio.Event()

    async def succeeded() -> None:
        log.info("l4.succeeded", reason="a new process took the sockets")
        over.set()

    with listener:
        host, port = listener.getsockname()[:2]
        async with trio.open_nursery() as nursery:
            engine: Relay | Udp
            if alone.datagrams:
                engine = Udp(distributor, counters, log)
            else:
                engine = Relay(distributor, counters, log, alone.options, name="l4")
            engine.set_endpoints(addresses)
            nursery.start_soon(engine.watch)
            nursery.start_soon(engine.accept, listener)
            nursery.start_soon(_until_signal, over)
            if alone.handover is not None:
                waiting = await_heir(alone.handover)
                nursery.start_soon(bequeath, waiting, [listener], succeeded)
            ready(at(host, port))
            await over.wait()
            engine.stop_accepting()
            await engine.settle(alone.drain_s)
            nursery.cancel_scope.cancel()


async def _until_signal(over: trio.Event) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            over.set()


def _listener(alone: Alone) -> socket.socket:
    if alone.handover is not None and (inherited := inherit(alone.handover)):
        return inherited[0]
    host, port = alone.listen
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    kind = socket.SOCK_DGRAM if alone.datagrams else socket.SOCK_STREAM
    listener = socket.socket(family, kind)
    try:
        if not alone.datagrams:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        if not alone.datagrams:
            listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        why = error.strerror
        if error.errno == errno.EADDRINUSE:
            owner = owner_of("udp" if alone.datagrams else "tcp", host, port)
            why = (
                "somebody listens there already"
                if owner is None
                else f"{owner.command} (pid {owner.pid}) has it"
            )
        raise CannotListen(f"cannot listen on {at(host, port)}: {why}") from error
    return listener
