"""What becomes of a packet that reached the name server?

The whole of it without a socket: read, limit, decide, encode, remember.  The
shell sends what comes back and counts it.

An answer depends on the packet (but for its number), the sender and the POPs'
health; so replies are kept by the first two and all forgotten when the third
changes.  A kept reply costs 3 µs, a made one 125 to 190, most of it in dnslib.

State: the members we have heard of; up to `MEMO_MAX` replies of about 1.3 KB with
all that belongs to them, so 6 MB at worst.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Literal

from edge.common.config import Config
from edge.common.messages import Member
from edge.common.places import PlaceTable, find_city
from edge.dns import answer, reply
from edge.dns.answer import Answer, Knowledge
from edge.dns.health import Health, health_by_pop
from edge.dns.query import FORMERR, Query, read_query
from edge.dns.response_limit import ResponseLimit
from edge.dns.steer import Choice, Steering
from edge.dns.zone import is_ipv6, make_zone

MEMO_MAX = 4096
# A longer packet is no query of a phone and not worth its room.
MEMO_BYTES_MAX = 256

Fate = answer.Reason | Literal["formerr", "notimp", "slipped", "dropped", "ignored"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What to send (None: nothing), and what to write down."""

    data: bytes | None
    fate: Fate
    query: Query | None = None
    answer: Answer | None = None

    @property
    def pop(self) -> str:
        """The POP that the phone was sent to; "" for none, "*" for all."""
        return self.answer.pop if self.answer else ""


_IGNORED = Outcome(None, "ignored")
_DROPPED = Outcome(None, "dropped")


class NameServer:
    """The keeper behind one DNS process."""

    def __init__(self, config: Config, name: str, address: str, serial: int) -> None:
        """`address` is where it serves (no port), `serial` the zone's: larger than the last one's.

        Raises `ValueError` where `config.dns.cities` names what cannot be.
        """
        self._name = name
        self._address = address
        self._members: dict[str, Member] = {}
        self._memo: dict[tuple[bytes, str, bool], Outcome] = {}
        self._health: dict[str, Health]
        self._known: Knowledge
        self.configure(config, serial)

    def configure(self, config: Config, serial: int) -> None:
        """Answer by `config` from now on.  Raises `ValueError`."""
        places = PlaceTable(config.dns.cities)
        self._config = config
        self._zone = make_zone(config, self._address, serial)
        self._places = places
        self._limit = ResponseLimit(config.dns.queries_per_s_max)
        self._steer()

    def learn(self, changed: Iterable[Member], gone: Iterable[str]) -> None:
        """The hub's word on who lives."""
        for member in changed:
            self._members[member.name] = member
        for name in gone:
            self._members.pop(name, None)
        # Most news is about somebody who changes nothing for a phone; kept replies stay good then.
        if self._health != self._judge():
            self._steer()

    def answer(self, data: bytes, source: str, now: float, *, over_tcp: bool) -> Outcome:
        """What to send back to `source` for the packet `data`."""
        key = (data[2:], source, over_tcp)
        known = self._memo.get(key)
        if known is not None:
            assert known.data is not None, "only what was sent is kept"
            outcome = Outcome(data[:2] + known.data[2:], known.fate, known.query, known.answer)
        else:
            outcome = self._make(data, source, over_tcp)
            if outcome.answer is not None and len(data) <= MEMO_BYTES_MAX and not _is_traced(outcome.query):
                if len(self._memo) >= MEMO_MAX:
                    self._memo.clear()
                self._memo[key] = outcome
        if over_tcp or outcome.data is None:
            return outcome
        return self._limited(outcome, data[:2], source, now)

    def table(self, subnet: str = "", city: str = "") -> dict[str, Any]:
        """Plain values for `edge dig`: every POP as seen from a place, and where the phone goes."""
        place = find_city(city) if city else None
        if subnet:
            place = self._places.find(ip_address(subnet.partition("/")[0])).city
        return {
            "zone": b".".join(self._zone.apex).decode(),
            "domain": self._config.domain,
            "ttl_s": self._zone.ttl_s,
            "city": place.title if place else "",
            "ipv4": _told(self._known.ipv4.choose(place)),
            "ipv6": _told(self._known.ipv6.choose(place)),
        }

    def _make(self, data: bytes, source: str, over_tcp: bool) -> Outcome:
        query = read_query(data)
        if query is None:
            return _IGNORED
        if not isinstance(query, Query):
            return Outcome(reply.refuse(query), "formerr" if query.rcode == FORMERR else "notimp")
        said = answer.decide(query, source, self._known)
        return Outcome(reply.encode(query, said, self._zone, self._name, over_tcp), said.reason, query, said)

    def _limited(self, outcome: Outcome, number: bytes, source: str, now: float) -> Outcome:
        mercy = self._limit.judge(source, now)
        if mercy == "send":
            return outcome
        if mercy == "drop" or outcome.query is None:
            return _DROPPED
        # The number of the packet at hand: the query may be a kept one's.
        truncated = number + reply.truncate(outcome.query, self._name)[2:]
        return Outcome(truncated, "slipped", outcome.query)

    def _judge(self) -> dict[str, Health]:
        return health_by_pop((pop.name for pop in self._config.pops()), self._members.values())

    def _steer(self) -> None:
        pops = self._config.pops()
        self._health = self._judge()
        self._known = Knowledge(
            zone=self._zone,
            places=self._places,
            ipv4=Steering([pop for pop in pops if not is_ipv6(pop.address)], self._health),
            ipv6=Steering([pop for pop in pops if is_ipv6(pop.address)], self._health),
            server_name=self._name,
        )
        self._memo.clear()


def _is_traced(query: Query | None) -> bool:
    # Each traced query is another packet; keeping them would only push out the others.
    return query is not None and query.edns is not None and bool(query.edns.trace)


def _told(choice: Choice | None) -> dict[str, Any] | None:
    if choice is None:
        return None
    return {
        "reason": choice.reason,
        "why": choice.why,
        "chosen": [candidate.pop for candidate in choice.chosen],
        "pops": [
            {
                "pop": candidate.pop,
                "address": candidate.address,
                "distance_km": candidate.distance_km,
                "healthy": candidate.health.healthy,
                "health": candidate.health.why,
            }
            for candidate in choice.candidates
        ],
    }
