"""What do we say to this query?

A function of the query, the zone, where the phone is, and the steering of the
moment; the bytes are `edge.dns.reply`'s business.  The order of the questions:
is the name ours, is it there, has it this kind of record?

- Names outside the zone are refused: we are no resolver for anybody.
- A name that is there without the wanted kind answers NOERROR and no record
  (NODATA), which is not NXDOMAIN: a resolver that hears NXDOMAIN for AAAA may
  take the A away as well (RFC 8020).
- Both carry the SOA, so that the "no" may be kept for a while (RFC 2308).
- ANY gets one kind of record, not all (RFC 8482): nothing to amplify with.
- Zone transfers are refused.  DNSSEC is not spoken; DO is ignored.
"""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal

from edge.common.places import Found, PlaceTable
from edge.dns.query import BADVERS, NOERROR, NXDOMAIN, REFUSED, Query
from edge.dns.steer import Choice, Steering
from edge.dns.zone import STATIC_TTL_S, Name, Node, Zone, is_ipv6

A, NS, SOA, TXT, AAAA = 1, 2, 6, 16, 28
IXFR, AXFR, ANY = 251, 252, 255
IN, CHAOS = 1, 3

# Whom a CHAOS TXT query asks for: "which of you is this?" (RFC 4892, and BIND's older name).
_WHO_NAMES = ((b"id", b"server"), (b"hostname", b"bind"))

Reason = Literal[
    "nearest", "backup", "default", "all-down",  # the edge's own name
    "static", "nodata", "nxdomain", "refused", "badvers", "identity",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Record:
    """One record to send; `value` is an address, a text or a name, by `kind`."""

    owner: Name
    kind: int
    ttl_s: int
    value: str | Name
    klass: int = IN


@dataclass(frozen=True, slots=True)
class Answer:
    """What to say, before it is bytes."""

    rcode: int
    reason: Reason
    records: tuple[Record, ...] = ()
    soa: bool = False  # a "no" that may be kept
    additional: tuple[Record, ...] = ()
    scope_bits: int = 0  # how much of the client's subnet this holds for
    pop: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """All that an answer depends on besides the query itself."""

    zone: Zone
    places: PlaceTable
    ipv4: Steering
    ipv6: Steering
    server_name: str


def locate(query: Query, source: str, places: PlaceTable) -> Found:
    """Where the phone is: by its client subnet, else by the address that asks.

    The scope is 0 where the answer does not depend on the subnet (RFC 7871
    section 7.2.1).
    """
    subnet = query.edns.subnet if query.edns else None
    told = subnet.host() if subnet else None
    if told is not None:
        return places.find(told)
    return Found(places.find(ip_address(source)).city, 0)


def decide(query: Query, source: str, known: Knowledge) -> Answer:
    """The answer to `query` from the address `source`."""
    if query.edns is not None and query.edns.version > 0:
        return Answer(BADVERS, "badvers", why="EDNS version 0 is the only one there is")
    if query.klass == CHAOS and query.kind in (TXT, ANY) and query.name in _WHO_NAMES:
        return Answer(
            NOERROR, "identity", (Record(query.labels, TXT, 0, known.server_name, CHAOS),), why="who answers"
        )
    zone = known.zone
    if query.klass != IN or not zone.holds(query.name):
        return Answer(REFUSED, "refused", why="not a name of ours")
    if query.kind in (AXFR, IXFR):
        return Answer(REFUSED, "refused", why="the zone is not transferred")
    node = zone.find(query.name)
    if node is None:
        return Answer(NXDOMAIN, "nxdomain", soa=True, why="no such name")
    if node.kind == "steered" and query.kind in (A, AAAA, ANY):
        steered = _steered(query, source, known)
        if steered is not None:
            return steered
    return _static(query, node, known)


def _steered(query: Query, source: str, known: Knowledge) -> Answer | None:
    found = locate(query, source, known.places)
    families = {A: (known.ipv4,), AAAA: (known.ipv6,), ANY: (known.ipv4, known.ipv6)}[query.kind]
    choice: Choice | None = None
    for steering in families:
        choice = choice or steering.choose(found.city)
    if choice is None:
        return None
    ttl_s = known.zone.ttl_s
    return Answer(
        NOERROR,
        choice.reason,
        tuple(_address(query.labels, candidate.address, ttl_s) for candidate in choice.chosen),
        scope_bits=found.scope_bits,
        pop=choice.chosen[0].pop if len(choice.chosen) == 1 else "*",
        why=choice.why,
    )


def _static(query: Query, node: Node, known: Knowledge) -> Answer:
    records: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()
    at_apex = node.kind == "apex" or node.also_apex
    if at_apex and query.kind in (SOA, ANY):
        records = (Record(query.labels, SOA, STATIC_TTL_S, known.zone.server),)
    elif at_apex and query.kind == NS:
        records = (Record(query.labels, NS, STATIC_TTL_S, known.zone.server),)
        glue = known.zone.find(known.zone.server)
        assert glue is not None, "the zone holds its own server"
        additional = (_address(known.zone.server, glue.address, STATIC_TTL_S),)
    elif node.address and query.kind in (AAAA if is_ipv6(node.address) else A, ANY):
        records = (_address(query.labels, node.address, STATIC_TTL_S),)
    if records:
        return Answer(NOERROR, "static", records, additional=additional, pop=node.pop, why="always the same")
    return Answer(NOERROR, "nodata", soa=True, why="the name is there, but not with such a record")


def _address(owner: Name, address: str, ttl_s: int) -> Record:
    return Record(owner, AAAA if is_ipv6(address) else A, ttl_s, address)
