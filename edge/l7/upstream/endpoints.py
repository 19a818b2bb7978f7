"""Who are the copies of this service, right now?

An application of your own is named by address.  Our services announce
themselves over the control channel; until the hub's first word, and whenever it
knows of none, the configured fixed ports are used, so a worker can serve before
it has heard anything (static stability).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edge.common.config import ClusterConfig, ServiceConfig
from edge.common.messages import Member


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One copy; two values that differ in `incarnation` are different processes."""

    name: str
    address: str  # "127.0.0.1:7110"
    weight: float = 1.0  # 0: takes no new work
    incarnation: str = ""


def configured(cluster: ClusterConfig, services: Sequence[ServiceConfig]) -> list[Endpoint]:
    """What the configuration alone knows."""
    if cluster.endpoints:
        return [Endpoint(address, address) for address in cluster.endpoints]
    for service in services:
        if service.name == cluster.service and service.port:
            return [
                Endpoint(f"{service.name}-{number + 1}", f"127.0.0.1:{service.port + number}")
                for number in range(service.instances)
            ]
    return []


def announced(cluster: ClusterConfig, members: Iterable[Member]) -> list[Endpoint]:
    """What the hub knows; those that drain stay listed with weight 0, since requests are still there."""
    found: list[Endpoint] = []
    for member in members:
        if member.tier != "service" or member.service != cluster.service or not member.address:
            continue
        if member.state not in ("live", "draining"):
            continue
        weight = member.weight / 100.0 if member.state == "live" else 0.0
        found.append(Endpoint(member.name, member.address, weight, f"{member.pid}"))
    return sorted(found, key=lambda endpoint: endpoint.name)
