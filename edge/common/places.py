"""Where on earth is this address, and how far is that from there?

Addresses say nothing about places; somebody has to write the table.  Ours uses
the networks that are reserved for documentation (RFC 5737, RFC 3849), a /28 and
a /48 for each city, so that nobody's real address is ever taken for a phone of
ours and `dig +subnet=192.0.2.0/28` means Jaipur in every copy of this edge.

A `PlaceTable` finds the longest network that holds an address.  With it comes
the *scope*: the shortest prefix of that address within which every address
would get the same answer.  RFC 7871 sends it back to the resolver, which may
then reuse the answer for the whole scope; one bit too short and Delhi would be
told what was meant for Jaipur.

State: none after construction; about forty networks, looked through one by one.
"""

import ipaddress
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from math import asin, cos, radians, sin, sqrt

from edge.common.config import Place

EARTH_RADIUS_KM = 6371.0088  # mean radius, IUGG


@dataclass(frozen=True, slots=True)
class City:
    """A city with documentation networks of its own; degrees north and east."""

    name: str  # "sao-paulo": how it is typed
    title: str  # "São Paulo": how it is shown
    place: Place
    ipv4: str
    ipv6: str
    loopback: str  # where this city's phones call from in one machine: "127.16.1.1"

    def phone(self) -> str:
        """The first host of the city's IPv4 network: the address of a phone that lives there."""
        return str(ipaddress.IPv4Network(self.ipv4)[1])


@dataclass(frozen=True, slots=True)
class Found:
    """What a table knows about an address."""

    city: City | None
    scope_bits: int


# One row of sixteen /28 for each of the three IPv4 documentation networks.  A whole /24
# (what public resolvers send) stands for the first city of its row.
_ROWS: dict[str, tuple[tuple[str, str, float, float], ...]] = {
    "192.0.2.0/24": (
        ("jaipur", "Jaipur", 26.91, 75.79),
        ("delhi", "Delhi", 28.61, 77.21),
        ("mumbai", "Mumbai", 19.08, 72.88),
        ("chennai", "Chennai", 13.08, 80.27),
        ("bengaluru", "Bengaluru", 12.97, 77.59),
        ("hyderabad", "Hyderabad", 17.39, 78.49),
        ("kolkata", "Kolkata", 22.57, 88.36),
        ("kochi", "Kochi", 9.93, 76.27),
        ("colombo", "Colombo", 6.93, 79.86),
        ("dhaka", "Dhaka", 23.81, 90.41),
        ("karachi", "Karachi", 24.86, 67.01),
        ("dubai", "Dubai", 25.20, 55.27),
    ),
    "198.51.100.0/24": (
        ("london", "London", 51.51, -0.13),
        ("paris", "Paris", 48.86, 2.35),
        ("berlin", "Berlin", 52.52, 13.41),
        ("stockholm", "Stockholm", 59.33, 18.07),
        ("istanbul", "Istanbul", 41.01, 28.98),
        ("cairo", "Cairo", 30.04, 31.24),
        ("lagos", "Lagos", 6.52, 3.38),
        ("nairobi", "Nairobi", -1.29, 36.82),
        ("johannesburg", "Johannesburg", -26.20, 28.05),
        ("new-york", "New York", 40.71, -74.01),
        ("san-francisco", "San Francisco", 37.77, -122.42),
        ("mexico-city", "Mexico City", 19.43, -99.13),
        ("sao-paulo", "São Paulo", -23.55, -46.63),
        ("buenos-aires", "Buenos Aires", -34.60, -58.38),
    ),
    "203.0.113.0/24": (
        ("tokyo", "Tokyo", 35.68, 139.69),
        ("singapore", "Singapore", 1.35, 103.82),
        ("sydney", "Sydney", -33.87, 151.21),
        ("seoul", "Seoul", 37.57, 126.98),
        ("hong-kong", "Hong Kong", 22.32, 114.17),
        ("jakarta", "Jakarta", -6.21, 106.85),
        ("manila", "Manila", 14.60, 120.98),
        ("bangkok", "Bangkok", 13.76, 100.50),
        ("auckland", "Auckland", -36.85, 174.76),
    ),
}


def _built_in() -> dict[str, City]:
    cities: dict[str, City] = {}
    for network, row in _ROWS.items():
        for (name, title, north, east), ipv4 in zip(
            row, ipaddress.ip_network(network).subnets(new_prefix=28), strict=False
        ):
            number = len(cities) + 1
            ipv6, loopback = f"2001:db8:{number:x}::/48", f"127.16.{number}.1"
            cities[name] = City(name, title, Place(north=north, east=east), str(ipv4), ipv6, loopback)
    return cities


CITIES: dict[str, City] = _built_in()


def find_city(text: str) -> City | None:
    """The city that a person means by "São Paulo", "sao paulo" or "sao-paulo"."""
    plain = unicodedata.normalize("NFKD", text.strip()).encode("ascii", "ignore").decode()
    return CITIES.get("-".join(plain.lower().replace("_", " ").replace("-", " ").split()))


def distance_km(one: Place, other: Place) -> float:
    """Along the great circle (haversine), in kilometres."""
    north, other_north = radians(one.north), radians(other.north)
    half_up = sin((other_north - north) / 2)
    half_over = sin(radians(other.east - one.east) / 2)
    chord = half_up * half_up + cos(north) * cos(other_north) * half_over * half_over
    # Rounding may push antipodes a hair over 1, where asin ends.
    return 2 * EARTH_RADIUS_KM * asin(min(1.0, sqrt(chord)))


@dataclass(frozen=True, slots=True)
class _Entry:
    base: int
    bits: int
    city: City


class PlaceTable:
    """Networks and their cities: the built-in ones and some of the operator's own."""

    def __init__(self, more: Mapping[str, str] | None = None) -> None:
        """`more` maps a known city to one more network, such as {"jaipur": "10.1.0.0/16"}.

        Raises `ValueError` for a city that is not in `CITIES` or for what is no network.
        """
        self._entries: dict[int, list[_Entry]] = {32: [], 128: []}
        for city in CITIES.values():
            self._add(city.ipv4, city)
            self._add(city.ipv6, city)
        for name, network in (more or {}).items():
            known = find_city(name)
            if known is None:
                raise ValueError(f"{name!r} is none of the cities we know: {', '.join(sorted(CITIES))}")
            self._add(network, known)

    def _add(self, text: str, city: City) -> None:
        network = ipaddress.ip_network(text)
        entry = _Entry(int(network.network_address), network.prefixlen, city)
        self._entries[network.max_prefixlen].append(entry)

    def find(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Found:
        """The city of `address`, and how far around it this holds."""
        width = address.max_prefixlen
        number = int(address)
        best: _Entry | None = None
        scope = 0
        for entry in self._entries[width]:
            shared = width - (number ^ entry.base).bit_length()
            if shared >= entry.bits:
                # Of two equal networks the later one wins: the operator's word is last.
                if best is None or entry.bits >= best.bits:
                    best = entry
            else:
                # One bit beyond what both share, the scope leaves this network out.
                scope = max(scope, shared + 1)
        if best is None:
            return Found(None, scope)
        return Found(best.city, max(scope, best.bits))
