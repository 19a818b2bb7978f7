"""Which names are ours, and what stands at each?

The zone is the parent of the configured domain: `i.edge.test` lives in
`edge.test`.  A domain of two labels is its own zone.

    edge.test.           SOA, NS
    ns1.edge.test.       where this name server listens
    i.edge.test.         the edge itself: an address chosen for each phone
    mumbai.edge.test.    one POP, for whoever wants exactly that one

Frozen; built from the configuration, and again with each new one.
"""

import ipaddress
from dataclasses import dataclass
from typing import Literal

from edge.common.config import Config

Name = tuple[bytes, ...]

# SOA timers for secondaries that do not exist; the values RIPE-203 recommends.
REFRESH_S, RETRY_S, EXPIRE_S = 86_400, 7200, 3_600_000
# What does not depend on anybody's health may be kept for an hour.
STATIC_TTL_S = 3600


@dataclass(frozen=True, slots=True)
class Node:
    """What stands at one name."""

    kind: Literal["apex", "steered", "pop", "server"]
    address: str = ""  # of a POP or the name server
    pop: str = ""
    also_apex: bool = False  # a steered name that is the zone's own


@dataclass(frozen=True, slots=True)
class Zone:
    """The names we answer for."""

    apex: Name
    server: Name
    nodes: dict[Name, Node]
    ttl_s: int
    serial: int

    def holds(self, name: Name) -> bool:
        """Is `name` (in small letters) ours to answer, be it there or not?"""
        size = len(self.apex)
        return len(name) >= size and name[len(name) - size :] == self.apex

    def find(self, name: Name) -> Node | None:
        """What stands at `name`, which is in small letters."""
        return self.nodes.get(name)


def labels_of(name: str) -> Name:
    """`"i.edge.test"` as labels in small letters."""
    return tuple(label.encode() for label in name.lower().rstrip(".").split("."))


def make_zone(config: Config, server_address: str, serial: int) -> Zone:
    """The zone of `config`, served from `server_address` (no port)."""
    domain = labels_of(config.domain)
    apex = domain[1:] if len(domain) > 2 else domain
    server = (b"ns1", *apex)
    nodes: dict[Name, Node] = {apex: Node("apex"), server: Node("server", server_address)}
    for pop in config.pops():
        nodes[(pop.name.encode(), *apex)] = Node("pop", pop.address, pop.name)
    # Last, so that a POP named like the domain's first label cannot hide the edge.
    nodes[domain] = Node("steered", also_apex=domain == apex)
    return Zone(apex, server, nodes, config.dns.ttl_s, serial & 0xFFFFFFFF)


def is_ipv6(address: str) -> bool:
    """Does `address` belong into an AAAA record?"""
    return ipaddress.ip_address(address).version == 6
