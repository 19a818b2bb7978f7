"""A network of one's own, without being root."""

import os
import socket
from pathlib import Path

import pytest

from edge.common.errors import EdgeError
from edge.lab.namespace import NoNamespace, apart, tune

pytestmark = pytest.mark.e2e

COOKIES = Path("/proc/sys/net/ipv4/tcp_syncookies")


def allowed() -> None:
    """Skip on a machine that gives nobody a namespace."""
    try:
        apart(lambda: b"")
    except NoNamespace as refused:
        pytest.skip(str(refused))


def test_the_child_is_root_of_its_own_network_and_of_nothing_else() -> None:
    """It may send packets by hand and set what is its own; ours stays as it was."""
    allowed()
    before = COOKIES.read_text()

    def work() -> bytes:
        tune({"net.ipv4.tcp_syncookies": 0})
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW):
            pass
        interfaces = [name for _, name in socket.if_nameindex()]
        return f"{interfaces} {COOKIES.read_text().strip()} {os.getuid()}".encode()

    assert apart(work) == b"['lo'] 0 0"
    assert COOKIES.read_text() == before


def test_what_goes_wrong_inside_is_told_outside() -> None:
    """In the words of whoever met it."""
    allowed()

    def broken() -> bytes:
        raise EdgeError("the lab's edge lacks feed-1")

    with pytest.raises(EdgeError, match="lacks feed-1"):
        apart(broken)
    with pytest.raises(NoNamespace, match="no_such"):
        apart(lambda: (tune({"net.ipv4.no_such": 1}), b"")[1])
