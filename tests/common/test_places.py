"""Cities, their networks, and how far apart they are."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.common.config import Place
from edge.common.places import CITIES, PlaceTable, distance_km, find_city
from tests.oracle import dns_scope

DOCUMENTATION = [
    ipaddress.ip_network(text)
    for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
]
TABLE = PlaceTable()
ORACLE = {
    ipaddress.ip_network(text): city.name for city in CITIES.values() for text in (city.ipv4, city.ipv6)
}
PLACES = st.builds(
    lambda north, east: Place(north=north, east=east), st.floats(-90, 90), st.floats(-180, 180)
)
NEAR_THE_TABLE = st.one_of(
    st.integers(0, 2**32 - 1),
    st.integers(0, 255).map(lambda last: int(ipaddress.IPv4Address("192.0.2.0")) + last),
    st.integers(0, 255).map(lambda last: int(ipaddress.IPv4Address("203.0.113.0")) + last),
).map(ipaddress.IPv4Address)


def test_every_city_lives_in_a_network_reserved_for_documentation() -> None:
    """A real address must never be taken for one of our pretended phones."""
    for city in CITIES.values():
        for text in (city.ipv4, city.ipv6):
            network = ipaddress.ip_network(text)
            assert any(
                network.version == reserved.version and network.subnet_of(reserved)  # type: ignore[arg-type]
                for reserved in DOCUMENTATION
            )


def test_no_two_cities_share_an_address() -> None:
    """Else one of them would be unreachable by any subnet."""
    assert len(ORACLE) == 2 * len(CITIES)
    for city in CITIES.values():
        assert TABLE.find(ipaddress.ip_address(city.phone())).city is city


@pytest.mark.parametrize("text", ["São Paulo", "sao paulo", "SAO-PAULO", " sao_paulo "])
def test_a_city_is_found_however_a_person_spells_it(text: str) -> None:
    """Nobody's keyboard should decide whether `--from` works."""
    city = find_city(text)

    assert city is not None
    assert city.name == "sao-paulo"


def test_an_unknown_city_is_none_and_not_a_guess() -> None:
    """A phone in the wrong city would measure the wrong POP."""
    assert find_city("atlantis") is None
    assert find_city("") is None


@pytest.mark.parametrize(
    ("one", "other", "km"),
    [("jaipur", "mumbai", 920), ("london", "new-york", 5570), ("sydney", "tokyo", 7820)],
)
def test_distances_are_those_of_an_atlas(one: str, other: str, km: float) -> None:
    """Figures from published great-circle tables, to within one percent."""
    assert distance_km(CITIES[one].place, CITIES[other].place) == pytest.approx(km, rel=0.01)


@given(PLACES, PLACES)
def test_distance_is_symmetric_and_never_more_than_half_the_globe(one: Place, other: Place) -> None:
    """Antipodes and poles are where a haversine goes wrong."""
    there, back = distance_km(one, other), distance_km(other, one)

    assert there == pytest.approx(back, abs=1e-6)
    assert 0.0 <= there <= 20_016
    assert distance_km(one, one) == 0.0


@given(NEAR_THE_TABLE)
def test_the_table_agrees_with_the_obvious_search(address: ipaddress.IPv4Address) -> None:
    """City and scope, against an oracle that tries every prefix."""
    found = TABLE.find(address)

    assert (found.city.name if found.city else None) == dns_scope.find(address, ORACLE)
    # The shortest uncut prefix, though never shorter than the network that answered.
    holding = [network for network in ORACLE if network.version == 4 and address in network]
    least = max((network.prefixlen for network in holding), default=0)
    assert found.scope_bits == max(least, dns_scope.scope_bits(address, ORACLE))


@given(NEAR_THE_TABLE, st.integers(0, 2**32 - 1))
def test_everybody_within_the_scope_would_hear_the_same(address: ipaddress.IPv4Address, salt: int) -> None:
    """Or a resolver that trusts the scope would send Delhi where Jaipur belongs."""
    found = TABLE.find(address)
    host_bits = 32 - found.scope_bits
    neighbour = ipaddress.IPv4Address(
        (int(address) >> host_bits << host_bits) | (salt & ((1 << host_bits) - 1))
    )

    assert TABLE.find(neighbour).city == found.city


def test_an_operators_network_is_added_and_wins_where_it_is_longer() -> None:
    """`[dns] cities` puts an office or a home network on the map."""
    table = PlaceTable({"jaipur": "10.1.0.0/16", "delhi": "10.0.0.0/8", "london": "192.0.2.0/29"})

    assert table.find(ipaddress.ip_address("10.1.2.3")).city is CITIES["jaipur"]
    assert table.find(ipaddress.ip_address("10.2.2.3")).city is CITIES["delhi"]
    # Delhi's /8 has a hole, so the answer holds only beside it.
    assert table.find(ipaddress.ip_address("10.2.2.3")).scope_bits == 15
    assert table.find(ipaddress.ip_address("192.0.2.1")).city is CITIES["london"]
    assert table.find(ipaddress.ip_address("192.0.2.9")).city is CITIES["jaipur"]


def test_a_table_of_nonsense_is_refused() -> None:
    """At start, and not as a silent default at the first query."""
    with pytest.raises(ValueError, match="atlantis"):
        PlaceTable({"atlantis": "10.0.0.0/8"})
    with pytest.raises(ValueError):
        PlaceTable({"delhi": "10.0.0.1/8"})
