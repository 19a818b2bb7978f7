"""What does a SYN look like that nobody will ever finish?

A TCP/IP header without options and without a body (RFC 9293 section 3.1, RFC 791
section 3.1).  The source is made up, out of the range that is set aside for
benchmarks (RFC 2544, 198.18.0.0/15), so the answer goes nowhere.
"""

import struct
from ipaddress import IPv4Address, IPv4Network

FORGED_NETWORK = "198.18.0.0/15"
_NETWORK = IPv4Network(FORGED_NETWORK)
_SYN = 0x02
_TCP = 6
_TTL = 64
_WINDOW = 64_240


def forged_source(number: int) -> str:
    """Somebody who does not exist, one for each number."""
    return str(_NETWORK[number % _NETWORK.num_addresses])


def syn_packet(source: str, source_port: int, target: str, port: int, sequence: int) -> bytes:
    """One IPv4 packet with nothing but the wish to begin."""
    ends = IPv4Address(source).packed + IPv4Address(target).packed
    tcp = struct.pack("!HHIIBBHHH", source_port, port, sequence, 0, 5 << 4, _SYN, _WINDOW, 0, 0)
    pseudo = ends + struct.pack("!BBH", 0, _TCP, len(tcp))
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    # The kernel fills in the sum of the IP header (raw(7)).
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, _TTL, _TCP, 0)
    return head + ends + tcp


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
