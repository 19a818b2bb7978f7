"""Few answers to a claimed address, and a way back for honest ones."""

from hypothesis import given
from hypothesis import strategies as st

from edge.dns.response_limit import NETWORKS_MAX, ResponseLimit, network_of


def test_above_the_rate_replies_slip_and_drop_in_turn() -> None:
    """BIND's "slip 2": the victim hears half, the honest resolver tries TCP."""
    limit = ResponseLimit(rate_per_s=2.0)

    judged = [limit.judge("203.0.113.9", 100.0) for _ in range(6)]

    assert judged == ["send", "send", "slip", "drop", "slip", "drop"]
    assert limit.judge("203.0.113.9", 100.5) == "send"


def test_neighbours_share_and_strangers_do_not() -> None:
    """An attacker picks any address of the victim's network; the next network is nobody's fault."""
    limit = ResponseLimit(rate_per_s=1.0)
    limit.judge("203.0.113.9", 0.0)

    assert limit.judge("203.0.113.200", 0.0) != "send"
    assert limit.judge("203.0.114.9", 0.0) == "send"


def test_networks_are_what_one_customer_is_given() -> None:
    """/24 and /56."""
    assert network_of("203.0.113.9") == "203.0.113"
    assert network_of("2001:db8:0:12::1") == network_of("2001:db8:0:34::2")
    assert network_of("2001:db8:0:112::1") != network_of("2001:db8:0:34::2")
    assert network_of("fe80::1%lo") == network_of("fe80::2")


@given(st.lists(st.ip_addresses().map(str), max_size=30))
def test_any_address_has_a_network(sources: list[str]) -> None:
    """Strangers write these too.  The first answer to each network is sent, a second at once is not."""
    limit = ResponseLimit(rate_per_s=1.0)
    seen: set[str] = set()
    for source in sources:
        network = network_of(source)
        assert (limit.judge(source, 0.0) == "send") == (network not in seen)
        seen.add(network)


def test_memory_is_bounded() -> None:
    """A million forged networks must not become a million entries."""
    limit = ResponseLimit(rate_per_s=1.0)
    for number in range(NETWORKS_MAX + 500):
        limit.judge(f"10.{number >> 16}.{(number >> 8) & 255}{number & 255}.1", 0.0)

    assert len(limit._gcra) <= NETWORKS_MAX
