"""Queries as an independent implementation writes them, and configurations to answer by."""

import dns.edns
import dns.flags
import dns.message
import dns.rdataclass

from edge.common.config import Config, DnsConfig, Place, PopConfig
from edge.common.messages import Member

MUMBAI = PopConfig(name="mumbai", address="127.0.1.1", place=Place(north=19.08, east=72.88))
SINGAPORE = PopConfig(name="singapore", address="127.0.2.1", place=Place(north=1.35, east=103.82))
CONFIG = Config(pop=(MUMBAI, SINGAPORE), dns=DnsConfig(ttl_s=20))

JAIPUR, SYDNEY = "192.0.2.0/28", "203.0.113.32/28"
TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE_ID}-{SPAN_ID}-03".encode()


def query(
    name: str = "i.edge.test",
    kind: str = "A",
    *,
    number: int = 4711,
    subnet: str = "",
    trace: bytes = b"",
    nsid: bool = False,
    edns: int | None = 0,
    payload: int = 1232,
    klass: str = "IN",
) -> dns.message.QueryMessage:
    """A query made by dnspython; `edns=None` for one without an OPT record."""
    message = dns.message.make_query(name, kind, rdclass=klass, use_edns=False)
    message.id = number
    options: list[dns.edns.Option] = []
    if subnet:
        host, _, bits = subnet.partition("/")
        options.append(dns.edns.ECSOption(host, int(bits)))
    if trace:
        options.append(dns.edns.GenericOption(65001, trace))
    if nsid:
        options.append(dns.edns.NSIDOption(b""))
    if edns is not None:
        message.use_edns(edns, payload=payload, options=options)
    return message


def explanation(reply: dns.message.Message) -> str:
    """The sentence of the extended error in `reply`."""
    return "".join(option.text or "" for option in reply.options if isinstance(option, dns.edns.EDEOption))


def scope(reply: dns.message.Message) -> int | None:
    """The scope of the client subnet in `reply`."""
    return next((option.scopelen for option in reply.options if isinstance(option, dns.edns.ECSOption)), None)


def member(name: str, **fields: object) -> Member:
    """A live member; tier and POP are in the name: "l7-mumbai-1"."""
    tier, pop, _ = name.split("-")
    known: dict[str, object] = {"tier": tier, "pop": pop, "pid": 1, "state": "live"} | fields
    return Member(name=name, **known)  # type: ignore[arg-type]


EVERYBODY = [
    member(f"{tier}-{pop}-{n}") for pop in ("mumbai", "singapore") for tier in ("l4", "l7") for n in "12"
]
