"""A header is taken off a socket, and what follows is left for whoever reads next."""

import socket
from collections.abc import Iterator

import pytest
import trio

from edge.common.proxy_protocol import Endpoint, ProxyProtocolError, encode_v2
from edge.common.proxy_reader import read_header

PHONE, VIP = Endpoint("203.0.113.9", 40112), Endpoint("127.0.1.1", 8443)
V1 = b"PROXY TCP4 203.0.113.9 127.0.1.1 40112 8443\r\n"
V2 = encode_v2(PHONE, VIP, [(0xE0, b"x" * 300)])


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    proxy, here = socket.socketpair()
    here.setblocking(False)
    yield proxy, here
    proxy.close()
    here.close()


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
async def test_the_bytes_behind_the_header_stay_in_the_socket(
    ends: tuple[socket.socket, socket.socket], header: bytes
) -> None:
    """TLS reads from the socket itself: a byte too many and every handshake would fail."""
    proxy, here = ends
    proxy.sendall(header + b"\x16\x03\x01 hello")

    assert (await read_header(here)).source == PHONE
    assert here.recv(100) == b"\x16\x03\x01 hello"


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
async def test_a_header_may_come_byte_by_byte(
    ends: tuple[socket.socket, socket.socket], header: bytes
) -> None:
    """TCP cuts where it likes."""
    proxy, here = ends
    found = []

    async def read() -> None:
        found.append(await read_header(here))

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            for byte in header + b"!":
                proxy.send(bytes((byte,)))
                await trio.testing.wait_all_tasks_blocked()

    assert found[0].source == PHONE
    assert here.recv(100) == b"!"


async def test_silence_ends_after_the_patience(
    ends: tuple[socket.socket, socket.socket], autojump_clock: trio.testing.MockClock
) -> None:
    """Whoever never finishes a header holds a task and a descriptor."""
    with pytest.raises(ProxyProtocolError, match="no whole header within 5 s"):
        await read_header(ends[1])


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", V1[:20], V2[:30], b""])
async def test_what_is_no_header_or_half_of_one_is_an_error(
    ends: tuple[socket.socket, socket.socket], data: bytes
) -> None:
    """Said at once where no continuation could help, at the end otherwise."""
    proxy, here = ends
    proxy.sendall(data)
    proxy.shutdown(socket.SHUT_WR)

    with pytest.raises(ProxyProtocolError):
        await read_header(here)
