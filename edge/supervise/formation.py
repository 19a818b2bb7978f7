"""Which processes make up this edge, and which sockets does each need?

A pure function of the configuration: the supervisors start what it says,
`edge status` expects what it says.  Sockets named here are bound once by the
tier's supervisor and inherited by its workers, so they outlive any worker: a
SYN that arrives while a worker is being restarted waits in the backlog.
"""

from dataclasses import dataclass
from typing import Literal

from edge.common.config import Config

TIERS = ("control", "dns", "l4", "l7", "services", "console")


@dataclass(frozen=True, slots=True)
class Listen:
    """One socket to bind before the workers start."""

    key: str  # how the worker finds it: "https", "http", "relay", "udp", "tcp", "inner-udp", "control" ...
    kind: Literal["tcp", "udp", "unix"]
    host: str  # an address, or the file's name under the run directory for "unix"
    port: int = 0
    backlog: int = 1024
    tag: str = ""  # tells apart what is equal otherwise: two free ports (0) are not one socket


@dataclass(frozen=True, slots=True)
class Spec:
    """One process to run."""

    name: str
    tier: str
    entry: str  # "module:function"
    pop: str = ""
    service: str = ""
    index: int = 0
    listen: tuple[Listen, ...] = ()


def formation(config: Config) -> tuple[Spec, ...]:
    """Every process of the edge, in the order in which they are best started."""
    return (
        *_control(config),
        *_services(config),
        *_l7(config),
        *_l4(config),
        *_dns(config),
        *_console(config),
    )


def supervised_by(config: Config, tier: str) -> tuple[Spec, ...]:
    """The processes that the Procfile line `tier` owns."""
    wanted = "service" if tier == "services" else tier
    return tuple(spec for spec in formation(config) if spec.tier == wanted)


def split_address(address: str) -> tuple[str, int]:
    """`"127.0.0.1:53"` or `"[::1]:53"` as host and port.  Raises `ValueError`."""
    host, _, port = address.rpartition(":")
    if not host:
        raise ValueError(f"{address!r} is not host:port")
    return host.strip("[]"), int(port)


def _control(config: Config) -> tuple[Spec, ...]:
    sockets = [Listen("control", "unix", "control.sock", backlog=128)]
    if config.control.listen:
        host, port = split_address(config.control.listen)
        sockets.append(Listen("control-tcp", "tcp", host, port, backlog=128))
    return (Spec("hub", "control", "edge.control.hub:serve", listen=tuple(sockets)),)


def _dns_address(config: Config) -> tuple[Listen, ...]:
    host, port = split_address(config.dns.listen)
    # TCP first: with port 0 the other follows, and TCP's ports are the scarcer ones.
    return (Listen("tcp", "tcp", host, port, backlog=128), Listen("udp", "udp", host, port))


def _dns(config: Config) -> tuple[Spec, ...]:
    """One name server has the address itself; several listen on ports of their own, behind an L4."""
    count = config.dns.workers
    return tuple(
        Spec(
            f"dns-{n + 1}",
            "dns",
            "edge.dns.worker:serve",
            index=n,
            listen=_dns_address(config) if count == 1 else _inner(f"dns-{n + 1}"),
        )
        for n in range(count)
    )


def _inner(tag: str) -> tuple[Listen, ...]:
    # Always loopback: what comes here begins with a PROXY header, and is believed.
    return (
        Listen("inner-tcp", "tcp", "127.0.0.1", 0, backlog=128, tag=tag),
        Listen("inner-udp", "udp", "127.0.0.1", 0, tag=tag),
    )


def _dns_front(config: Config) -> tuple[Spec, ...]:
    if config.dns.workers == 1:
        return ()
    return (Spec("l4-dns-a", "l4", "edge.l4.dns_front:serve", listen=_dns_address(config)),)


def _l4(config: Config) -> tuple[Spec, ...]:
    specs = []
    for pop in config.pops():
        sockets = (
            Listen("https", "tcp", pop.address, config.https_port_of(pop), config.l4.backlog),
            Listen("http", "tcp", pop.address, config.http_port_of(pop), config.l4.backlog),
        )
        for n in range(pop.l4):
            name = f"l4-{pop.name}-{_letter(n)}"
            specs.append(Spec(name, "l4", "edge.l4.worker:serve", pop.name, index=n, listen=sockets))
    return (*specs, *_dns_front(config))


def _l7(config: Config) -> tuple[Spec, ...]:
    return tuple(
        Spec(name, "l7", "edge.l7.worker:serve", pop.name, index=n, listen=_relayed(config, name))
        for pop in config.pops()
        for n in range(pop.l7)
        for name in (f"l7-{pop.name}-{n + 1}",)
    )


def _relayed(config: Config, name: str) -> tuple[Listen, ...]:
    """Where the worker `name` takes connections if they do not come by handoff."""
    if config.l4.engine == "handoff":
        return ()
    return (Listen("relay", "tcp", config.l7.relay_listen, backlog=config.l4.backlog, tag=name),)


def _services(config: Config) -> tuple[Spec, ...]:
    return tuple(
        Spec(
            f"{service.name}-{n + 1}",
            "service",
            f"services.{service.name}.service:serve",
            service=service.name,
            index=n,
        )
        for service in config.service
        for n in range(service.instances)
    )


def _console(config: Config) -> tuple[Spec, ...]:
    if not config.console:
        return ()
    host, port = split_address(config.console)
    listen = Listen("console", "tcp", host, port, backlog=64)
    return (Spec("console", "console", "edge.console.worker:serve", listen=(listen,)),)


def _letter(number: int) -> str:
    # a, b, ... z, then a26 and on: nobody runs so many, and names stay unique.
    return chr(ord("a") + number) if number < 26 else f"a{number}"
