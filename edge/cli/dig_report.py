"""How is a DNS answer told to a person, and to a program?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edge.common.dns_query import Reply

HEAD = ("", "POP", "ADDRESS", "KM", "HEALTH")


@dataclass(frozen=True, slots=True)
class Asked:
    """One question and what came of it."""

    name: str
    kind: str
    place: str  # "Jaipur", or "" where nobody said
    subnet: str
    server: str  # "127.0.0.1:5300"
    transport: str  # "UDP", or "TCP after a truncated reply over UDP"
    took_ms: float
    reply: Reply


def as_data(asked: Asked, pops: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The whole story for `--json`."""
    reply = asked.reply
    return {
        "name": asked.name,
        "type": asked.kind,
        "from": asked.place,
        "subnet": asked.subnet,
        "status": reply.status,
        "addresses": list(reply.addresses),
        "ttl_s": reply.ttl_s,
        "scope_bits": reply.scope_bits,
        "why": reply.why,
        "records": list(reply.records),
        "server": asked.server,
        "process": reply.server,
        "transport": asked.transport,
        "took_ms": round(asked.took_ms, 3),
        "pops": list(pops),
    }


def lines(asked: Asked, pops: Sequence[dict[str, Any]]) -> list[str]:
    """The answer in sentences; the table of POPs follows it."""
    reply = asked.reply
    where = " ".join(part for part in (asked.place, f"({asked.subnet})" if asked.subnet else "") if part)
    told = [f"{asked.name} {asked.kind}" + (f" asked from {where}" if where else "")]
    names = {row["address"]: row["pop"] for row in pops}
    for address in reply.addresses:
        told.append(f"  -> {address}  {names.get(address, '')}".rstrip() + f"  for {reply.ttl_s} s")
    if not reply.addresses:
        told.append(f"  -> {reply.status}" + ("" if reply.records else ", no record"))
        told += [f"     {' '.join(record.split())}" for record in reply.records]
    if reply.why:
        told.append(f"  why: {reply.why}")
    if reply.scope_bits is not None and asked.subnet:
        told.append(f"  holds for: {_scope(asked.subnet, reply.scope_bits)}")
    who = reply.server or "the name server"
    told.append(f"  {who} at {asked.server} over {asked.transport}, {asked.took_ms:.1f} ms, {reply.status}")
    return told


def rows(asked: Asked, pops: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """The POPs, best first; an arrow at those that were answered."""
    return [
        (
            "->" if row["address"] in asked.reply.addresses else "",
            row["pop"],
            row["address"],
            "-" if row["distance_km"] is None else f"{row['distance_km']:,.0f}",
            row["health"],
        )
        for row in pops
    ]


def styles(asked: Asked, pops: Sequence[dict[str, Any]]) -> list[str]:
    """Green for the chosen, red for the unhealthy (SGR)."""
    return [
        "32" if row["address"] in asked.reply.addresses else "" if row["healthy"] else "31" for row in pops
    ]


def _scope(subnet: str, scope_bits: int) -> str:
    address = subnet.partition("/")[0]
    return "everybody" if scope_bits == 0 else f"all of {address}/{scope_bits}"
