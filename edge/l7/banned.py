"""Whose connections does a ban end?

L4 refuses the banned when they call again, but what was handed over before stays
with us: who keeps one connection alive would never call again.  So a worker that
hears of a ban closes what the banned have here, in the middle of a request if need be.

What L4 decides about sources is decided here in the same way: a ban of one IPv6
address holds for its whole network, because a household has more addresses than
anybody can ban, and who is on the list of the allowed is never refused.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from edge.common.messages import Ban

Network = IPv4Network | IPv6Network


def banned_among(
    sources: Iterable[str],
    bans: Iterable[Ban],
    unix_now: float,
    ipv6_prefix: int = 64,
    allowed: Iterable[str] = (),
) -> frozenset[str]:
    """Those of `sources` that a ban names which has not run out."""
    standing = [ban.network for ban in bans if ban.until_unix > unix_now]
    banned = [network for text in standing if (network := _network(text, ipv6_prefix)) is not None]
    spared = [network for text in allowed if (network := _network(text, 128)) is not None]

    def is_banned(source: str) -> bool:
        address = _address(source)
        return (
            address is not None
            and any(address in network for network in banned)
            and not any(address in network for network in spared)
        )

    return frozenset(filter(is_banned, sources))


def _network(text: str, ipv6_prefix: int) -> Network | None:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return None  # L4 says so in its log; it must not cost a worker its link
    if isinstance(network, IPv6Network) and network.prefixlen > ipv6_prefix:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return ip_network(mapped)
        return network.supernet(new_prefix=ipv6_prefix)
    return network


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
