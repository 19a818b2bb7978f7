"""Which names are ours?"""

from edge.common.config import Config
from edge.dns.zone import is_ipv6, labels_of, make_zone
from tests.kit.dns_queries import CONFIG, MUMBAI

ZONE = make_zone(CONFIG, "127.0.0.1", serial=2**32 + 7)


def test_the_zone_is_the_parent_of_the_domain() -> None:
    """So that POPs and the name server have names beside the edge's own."""
    assert ZONE.apex == (b"edge", b"test")
    assert {b".".join(name).decode(): node.kind for name, node in ZONE.nodes.items()} == {
        "edge.test": "apex",
        "ns1.edge.test": "server",
        "i.edge.test": "steered",
        "mumbai.edge.test": "pop",
        "singapore.edge.test": "pop",
    }
    assert ZONE.serial == 7, "serials are 32 bits and wrap (RFC 1982)"


def test_a_name_is_held_only_by_whole_labels() -> None:
    """notedge.test ends in the same letters and is somebody else's."""
    assert ZONE.holds(labels_of("a.b.edge.test"))
    assert ZONE.holds(labels_of("edge.test."))
    assert not ZONE.holds(labels_of("notedge.test"))
    assert not ZONE.holds(labels_of("test"))
    assert not ZONE.holds(())


def test_a_domain_of_two_labels_is_its_own_zone() -> None:
    """Its apex then is steered, and still has SOA and NS."""
    zone = make_zone(Config(domain="edge.test", pop=(MUMBAI,)), "127.0.0.1", 1)

    node = zone.find(labels_of("edge.test"))

    assert node is not None
    assert node.kind == "steered"
    assert node.also_apex


def test_a_pop_that_is_switched_off_has_no_name() -> None:
    """It would be an address where nobody listens."""
    off = make_zone(Config(pop=()), "127.0.0.1", 1)

    assert off.find(labels_of("mumbai.edge.test")) is None


def test_addresses_know_their_record() -> None:
    """A or AAAA."""
    assert is_ipv6("::1")
    assert not is_ipv6("127.0.1.1")
