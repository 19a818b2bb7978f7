"""What do the EDNS options mean that our phones and our name server exchange?

    3      NSID              which of the name servers answered (RFC 5001)
    8      client subnet     where the phone is, as far as it tells (RFC 7871)
    15     extended error    a sentence beside the answer (RFC 8914); we say why this POP
    65001  trace             `traceparent` in ASCII, from the range for local use
                             (RFC 6891 section 9), so that a query joins its request's trace

Only the client subnet has an inner form; it is checked here as strictly as
RFC 7871 section 6 asks, because an address with stray bits is either a mistake
or an attempt to poison somebody's cache.
"""

import ipaddress
from dataclasses import dataclass
from typing import ClassVar

from edge.common.errors import EdgeError

NSID = 3
CLIENT_SUBNET = 8
EXTENDED_ERROR = 15
TRACE = 65001

# RFC 8914 section 4.1: "Other", for an explanation that fits no registered code.
_EDE_OTHER = b"\0\0"
_WIDTHS = {1: 32, 2: 128}  # IANA address family numbers


class BadOption(EdgeError):
    """An EDNS option that says something impossible; the query is answered with FORMERR."""

    blame: ClassVar = "phone"
    status_hint: ClassVar = None


@dataclass(frozen=True, slots=True)
class ClientSubnet:
    """The network a phone says it is in."""

    family: int  # 1 IPv4, 2 IPv6; 0 only together with no address at all
    address: bytes  # all 4 or 16 bytes; empty for family 0
    source_bits: int
    scope_bits: int = 0

    def host(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """The network's first address; None where the phone asked not to be located."""
        # RFC 7871 section 7.1.2: a source prefix of zero means "do not use my address".
        if self.source_bits == 0:
            return None
        return ipaddress.ip_address(self.address)

    def text(self) -> str:
        """The network as people write it: "192.0.2.0/28", or "" without an address."""
        host = self.host()
        return "" if host is None else f"{host}/{self.source_bits}"


def subnet_of(network: str) -> ClientSubnet:
    """The client subnet for `"192.0.2.0/28"`; host bits are cut off.  Raises `BadOption`."""
    try:
        parsed = ipaddress.ip_network(network, strict=False)
    except ValueError as error:
        raise BadOption(f'"{network}" is not a network such as "192.0.2.0/28": {error}') from error
    family = 1 if parsed.version == 4 else 2
    return ClientSubnet(family, parsed.network_address.packed, parsed.prefixlen)


def decode_subnet(data: bytes) -> ClientSubnet:
    """Read the option's data.  Raises `BadOption` (RFC 7871 sections 6 and 7.1.2)."""
    if len(data) < 4:
        raise BadOption("a client subnet is at least four bytes")
    family = int.from_bytes(data[:2], "big")
    source_bits, scope_bits, address = data[2], data[3], data[4:]
    if family == 0 and source_bits == 0 and not address:
        return ClientSubnet(0, b"", 0, scope_bits)
    width = _WIDTHS.get(family)
    if width is None:
        raise BadOption(f"a client subnet of address family {family}")
    if source_bits > width or scope_bits > width:
        raise BadOption(f"a client subnet of {source_bits} bits, scope {scope_bits}, in family {family}")
    if len(address) != (source_bits + 7) // 8:
        raise BadOption(f"{len(address)} bytes of address for {source_bits} bits")
    spare_bits = 8 * len(address) - source_bits
    if address and address[-1] & ((1 << spare_bits) - 1):
        raise BadOption("bits are set beyond the source prefix")
    return ClientSubnet(family, address.ljust(width // 8, b"\0"), source_bits, scope_bits)


def encode_subnet(subnet: ClientSubnet) -> bytes:
    """The option's data."""
    kept = subnet.address[: (subnet.source_bits + 7) // 8]
    return subnet.family.to_bytes(2, "big") + bytes((subnet.source_bits, subnet.scope_bits)) + kept


def encode_explanation(text: str) -> bytes:
    """The data of an extended error that only explains."""
    return _EDE_OTHER + text.encode()


def decode_explanation(data: bytes) -> str:
    """The sentence in an extended error; what is not UTF-8 is replaced."""
    # RFC 8914 section 2: a trailing NUL may be there and is no part of the text.
    return data[2:].decode(errors="replace").rstrip("\0")
