"""Where an endpoint listens."""

import pytest

from edge.l4.addresses import at, host_and_port


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1:53", ("127.0.0.1", 53)),
        ("[::1]:53", ("::1", 53)),
        ("/run/edge/l7/l7-mumbai-1.sock", None),
        ("", None),
        (":53", None),
        ("127.0.0.1:dns", None),
        ("127.0.0.1:65536", None),
    ],
)
def test_an_address_is_a_host_and_a_port_or_nothing(address: str, expected: object) -> None:
    """Members announce paths as well; a relay must not try to connect to one."""
    assert host_and_port(address) == expected


def test_what_is_written_can_be_read_again() -> None:
    """Brackets keep an IPv6 address apart from its port."""
    for host, port in (("127.0.0.1", 53), ("::1", 53)):
        assert host_and_port(at(host, port)) == (host, port)
