"""The kernel's tables of sockets, from lines as proc(5) shows them and from our own sockets."""

import socket
from pathlib import Path

import pytest

from edge.common.proc_net import Listener, parse_listeners

TCP = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0101007F:20FB 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0
   1: 0100007F:A2C4 0100007F:20FB 01 00000000:00000000 00:00000000 00000000  1000        0 4712 1 0
   2: garbage
"""
TCP6 = """  sl  local_address                         remote_address                        st tx rx tr tm uid
   0: 00000000000000000000000000000000:1F40 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 99 1
   1: 0000000000000000FFFF00000100007F:1F41 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 98 1
"""


def test_listeners_are_told_from_connections() -> None:
    """Only a listener can be in our way."""
    assert parse_listeners("tcp", TCP, "little") == [Listener("tcp", "127.0.1.1", 8443, 4711)]


def test_ipv6_and_mapped_addresses_are_read() -> None:
    """A dual-stack server on :: blocks an IPv4 port too."""
    found = parse_listeners("tcp", TCP6, "little")

    assert [(one.host, one.port) for one in found] == [("::", 8000), ("127.0.0.1", 8001)]


def test_a_wildcard_meets_every_address_of_its_port() -> None:
    """Another server on 0.0.0.0:8443 is the commonest clash of all."""
    anybody = Listener("tcp", "0.0.0.0", 8443, 1)
    mumbai = Listener("tcp", "127.0.1.1", 8443, 2)

    assert anybody.clashes("tcp", "127.0.1.1", 8443)
    assert mumbai.clashes("tcp", "127.0.1.1", 8443)
    assert not mumbai.clashes("tcp", "127.0.2.1", 8443)
    assert not mumbai.clashes("udp", "127.0.1.1", 8443)
    assert not Listener("tcp", "127.0.0.1", 0, 3).clashes("tcp", "127.0.0.1", 0)


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="Linux only")
@pytest.mark.parametrize(("protocol", "kind"), [("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)])
def test_a_socket_of_our_own_is_found_in_the_kernels_table(protocol: str, kind: int) -> None:
    """The oracle is the kernel itself."""
    with socket.socket(socket.AF_INET, kind) as ours:
        ours.bind(("127.0.0.1", 0))
        if protocol == "tcp":
            ours.listen()
        port = ours.getsockname()[1]

        found = parse_listeners(protocol, Path(f"/proc/net/{protocol}").read_text())  # type: ignore[arg-type]

    assert ("127.0.0.1", port) in [(one.host, one.port) for one in found]
