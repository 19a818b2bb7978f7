"""A SYN made by hand."""

import ipaddress
import socket
import struct

from hypothesis import given
from hypothesis import strategies as st

from edge.lab.syn_packet import FORGED_NETWORK, checksum, forged_source, syn_packet

PORTS = st.integers(min_value=1, max_value=65535)


@given(PORTS, PORTS, st.integers(min_value=0, max_value=2**32 - 1))
def test_a_receiver_finds_nothing_wrong_with_it(source_port: int, port: int, sequence: int) -> None:
    """Over what it covers, a right sum and the sum of the rest cancel out (RFC 1071)."""
    packet = syn_packet("198.18.0.9", source_port, "127.0.1.1", port, sequence)

    tcp = packet[20:]
    pseudo = packet[12:20] + struct.pack("!BBH", 0, 6, len(tcp))
    assert checksum(pseudo + tcp) == 0
    assert struct.unpack("!HHI", tcp[:8]) == (source_port, port, sequence)
    assert tcp[13] == 0x02, "SYN and nothing else"
    assert (packet[12:16], packet[16:20]) == (socket.inet_aton("198.18.0.9"), socket.inet_aton("127.0.1.1"))
    assert struct.unpack("!H", packet[2:4]) == (len(packet),)


def test_the_known_sum_of_rfc_1071() -> None:
    """Its own example, section 3."""
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == ~0xDDF2 & 0xFFFF


def test_nobody_who_exists_is_named() -> None:
    """Answers to a forged source must not reach anybody."""
    network = ipaddress.ip_network(FORGED_NETWORK)

    sources = {forged_source(number) for number in (0, 1, 77, 2**17 - 1, 2**40 + 5)}

    assert len(sources) == 5
    assert all(ipaddress.ip_address(source) in network for source in sources)
