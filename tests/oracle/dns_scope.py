"""The slow, obvious way to the scope of an answer: try every prefix, ask every address class."""

import ipaddress
from collections.abc import Mapping

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def find(address: Address, table: Mapping[Network, str]) -> str | None:
    """The value of the longest network that holds `address`."""
    holding = [network for network in table if network.version == address.version and address in network]
    return table[max(holding, key=lambda network: network.prefixlen)] if holding else None


def scope_bits(address: Address, table: Mapping[Network, str]) -> int:
    """The shortest prefix of `address` that no network of `table` cuts through."""
    for bits in range(address.max_prefixlen + 1):
        around = ipaddress.ip_network(f"{address}/{bits}", strict=False)
        inside = [
            network
            for network in table
            if network.version == address.version and network.prefixlen > bits and network.subnet_of(around)  # type: ignore[arg-type]
        ]
        if not inside:
            return bits
    raise AssertionError("a single address is cut by nothing")
