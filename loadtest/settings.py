"""What kind of load, against which edge?

Locust imports its file in a process of its own and has no room for our options
in its command line, so `edge load` hands them over as EDGE_LOAD_* variables.
Everything has a default that fits the edge of `make up`, so that a plain
`locust -f loadtest/locustfile.py` works too.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal, cast, get_args

from edge.common.places import City, find_city

Shape = Literal["steady", "ramp", "spike", "day"]
SHAPES: tuple[Shape, ...] = get_args(Shape)

# Where the phones live unless somebody says otherwise: mostly India, as the POPs are.
CITIES = "jaipur,delhi,mumbai,chennai,bengaluru,singapore,london,sao-paulo"


@dataclass(frozen=True, slots=True)
class Settings:
    """One run; the names in upper case behind EDGE_LOAD_ are the variables."""

    domain: str = "i.edge.test"
    https_port: int = 8443
    dns: str = "127.0.0.1:5300"
    ca: str = "run/ca.pem"
    ports: str = ""  # JSON: a POP's address -> its HTTPS port, where that is not https_port
    cities: str = CITIES
    accounts: int = 10_000
    shape: Shape = "steady"
    attackers: int = 0
    pace: float = 1.0  # 2 thinks twice as fast
    summary: str = ""  # a file for the notable requests; stdout gets them too

    def homes(self) -> tuple[City, ...]:
        """The cities of the phones.  Raises `ValueError` for one that we do not know."""
        found = []
        for name in self.cities.split(","):
            city = find_city(name)
            if city is None:
                raise ValueError(f"{name!r} is no city on our map")
            found.append(city)
        return tuple(found)

    def port_of(self, address: str) -> int:
        """Where the POP at `address` speaks TLS."""
        ports = cast(dict[str, int], json.loads(self.ports)) if self.ports else {}
        return int(ports.get(address, self.https_port))

    def base_url(self) -> str:
        """What the phones call the edge."""
        return f"https://{self.domain}:{self.https_port}"

    def dns_server(self) -> tuple[str, int]:
        """Host and port of the name server."""
        host, _, port = self.dns.rpartition(":")
        return host.strip("[]"), int(port)


def from_environment(environment: Mapping[str, str]) -> Settings:
    """The settings in EDGE_LOAD_* variables.  Raises `ValueError` for what makes no sense."""
    given: dict[str, str | int | float] = {}
    for field in fields(Settings):
        text = environment.get(variable(field.name), "")
        if text:
            kind = cast(type[str] | type[int] | type[float], type(field.default))
            given[field.name] = kind(text)
    settings = Settings(**given)  # type: ignore[arg-type]
    if settings.shape not in SHAPES:
        raise ValueError(f"{settings.shape!r} is none of {', '.join(SHAPES)}")
    if settings.pace <= 0 or settings.accounts < 1 or settings.attackers < 0:
        raise ValueError("pace and accounts are above 0, attackers not below")
    settings.homes()
    return settings


def variable(name: str) -> str:
    """`"dns"` as `"EDGE_LOAD_DNS"`."""
    return f"EDGE_LOAD_{name.upper()}"
