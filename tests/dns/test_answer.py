"""What do we say, before it is bytes?"""

from typing import Any

import pytest

from edge.common.config import Config, Place, PopConfig
from edge.common.places import PlaceTable
from edge.dns.answer import Answer, Knowledge, decide, locate
from edge.dns.query import Query, read_query
from edge.dns.steer import Steering
from edge.dns.zone import is_ipv6, make_zone
from tests.kit.dns_queries import CONFIG, JAIPUR, SYDNEY, query

NOERROR, NXDOMAIN, REFUSED, BADVERS = 0, 3, 5, 16


def knowledge(config: Config = CONFIG) -> Knowledge:
    pops = config.pops()
    return Knowledge(
        zone=make_zone(config, "127.0.0.1", 1),
        places=PlaceTable(),
        ipv4=Steering([pop for pop in pops if not is_ipv6(pop.address)], {}),
        ipv6=Steering([pop for pop in pops if is_ipv6(pop.address)], {}),
        server_name="dns-1",
    )


def read(*args: Any, **kwargs: Any) -> Query:
    value = read_query(query(*args, **kwargs).to_wire())
    assert isinstance(value, Query)
    return value


def ask(*args: Any, source: str = "127.0.0.1", config: Config = CONFIG, **kwargs: Any) -> Answer:
    return decide(read(*args, **kwargs), source, knowledge(config))


def values(answer: Answer) -> list[object]:
    return [record.value for record in answer.records]


def test_the_edge_is_where_the_phone_is_nearest() -> None:
    """The reason all of this exists."""
    jaipur, sydney = ask(subnet=JAIPUR), ask(subnet=SYDNEY)

    assert (values(jaipur), jaipur.pop, jaipur.reason) == (["127.0.1.1"], "mumbai", "nearest")
    assert (values(sydney), sydney.pop) == (["127.0.2.1"], "singapore")
    assert jaipur.records[0].ttl_s == 20
    assert jaipur.scope_bits == 28


def test_without_a_subnet_the_asking_address_tells_the_place() -> None:
    """A resolver is usually near its phones."""
    answer = ask(source="203.0.113.33")

    assert answer.pop == "singapore"
    assert answer.scope_bits == 0


def test_a_subnet_of_nothing_hides_the_phone_but_not_the_resolver() -> None:
    """RFC 7871 section 7.1.2."""
    found = locate(read(subnet="0.0.0.0/0"), "203.0.113.33", PlaceTable())

    assert found.city is not None
    assert found.city.name == "sydney"
    assert found.scope_bits == 0


def test_each_pop_has_a_name_of_its_own() -> None:
    """For whoever wants exactly that one, whatever its health."""
    answer = ask("singapore.edge.test", subnet=JAIPUR)

    assert values(answer) == ["127.0.2.1"]
    assert (answer.pop, answer.reason, answer.scope_bits) == ("singapore", "static", 0)


def test_the_apex_has_soa_and_ns_with_the_address_that_goes_with_it() -> None:
    """What a parent zone and a checking tool ask for."""
    ns = ask("edge.test", "NS")

    assert values(ask("edge.test", "SOA")) == [(b"ns1", b"edge", b"test")]
    assert values(ns) == [(b"ns1", b"edge", b"test")]
    assert [record.value for record in ns.additional] == ["127.0.0.1"]


@pytest.mark.parametrize("kind", ["AAAA", "HTTPS", "TXT", "MX", "NS", "SOA"])
def test_a_name_without_such_a_record_is_not_a_missing_name(kind: str) -> None:
    """NXDOMAIN for AAAA would take the A away as well (RFC 8020)."""
    answer = ask("i.edge.test", kind)

    assert (answer.rcode, answer.reason, answer.records, answer.soa) == (NOERROR, "nodata", (), True)


def test_a_missing_name_says_for_how_long_it_is_missing() -> None:
    """The SOA beside it (RFC 2308)."""
    for name in ("nobody.edge.test", "a.i.edge.test"):
        answer = ask(name)
        assert (answer.rcode, answer.soa) == (NXDOMAIN, True)


@pytest.mark.parametrize(
    ("name", "kind", "klass"),
    [("example.com", "A", "IN"), (".", "NS", "IN"), ("i.edge.test", "A", "CH"), ("edge.test", "AXFR", "IN")],
)
def test_what_is_not_ours_to_say_is_refused(name: str, kind: str, klass: str) -> None:
    """We are nobody's resolver, and give the zone away only name by name."""
    answer = ask(name, kind, klass=klass)

    assert (answer.rcode, answer.records, answer.soa) == (REFUSED, (), False)


def test_any_gets_one_kind_of_record() -> None:
    """RFC 8482: nothing to amplify with."""
    assert values(ask("i.edge.test", "ANY", subnet=JAIPUR)) == ["127.0.1.1"]
    assert len(ask("edge.test", "ANY").records) == 1


def test_a_later_edns_is_told_our_version() -> None:
    """RFC 6891 section 6.1.3, whatever was asked."""
    assert ask(edns=1).rcode == BADVERS


def test_a_server_says_who_it_is() -> None:
    """Which of two workers answered?  `dig ch txt id.server` (RFC 4892)."""
    answer = ask("id.server", "TXT", klass="CH")

    assert (values(answer), answer.reason) == (["dns-1"], "identity")


def test_an_ipv6_pop_is_answered_to_aaaa() -> None:
    """And the families are steered apart: A must not name a POP that has none."""
    six = PopConfig(name="six", address="2001:db8:ffff::1", place=Place(north=26.9, east=75.8))
    config = Config(pop=(*CONFIG.pop, six))

    assert values(ask(kind="AAAA", subnet=JAIPUR, config=config)) == ["2001:db8:ffff::1"]
    assert values(ask(kind="A", subnet=JAIPUR, config=config)) == ["127.0.1.1"]
    assert values(ask("six.edge.test", "AAAA", config=config)) == ["2001:db8:ffff::1"]


def test_a_domain_that_is_its_own_zone_answers_both_ways() -> None:
    """Steered for A, apex for SOA."""
    config = Config(domain="edge.test", pop=CONFIG.pop)

    assert ask("edge.test", config=config, subnet=JAIPUR).pop == "mumbai"
    assert ask("edge.test", "SOA", config=config).reason == "static"
