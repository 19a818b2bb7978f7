"""Which processes make up the edge."""

import msgspec
import pytest

from edge.common.config import Config, DnsConfig, L4Config, Place, PopConfig, ServiceConfig
from edge.supervise.formation import formation, split_address, supervised_by

HERE = Place(north=0.0, east=0.0)
CONFIG = Config(
    pop=(
        PopConfig(name="mumbai", address="127.0.1.1", place=HERE),
        PopConfig(name="chennai", address="127.0.3.1", place=HERE, enabled=False),
    ),
    dns=DnsConfig(listen="127.0.0.1:0", workers=2),
    service=(ServiceConfig(name="feed", instances=2),),
)


def test_every_tier_gets_its_processes_and_no_name_twice() -> None:
    """Names are how commands, logs and traces speak of a process."""
    names = [spec.name for spec in formation(CONFIG)]

    assert names == [
        "hub", "feed-1", "feed-2", "l7-mumbai-1", "l7-mumbai-2",
        "l4-mumbai-a", "l4-mumbai-b", "l4-dns-a", "dns-1", "dns-2",
        "console",
    ]  # fmt: skip


def test_a_pop_that_is_switched_off_has_no_process() -> None:
    """It is in the file for the day somebody switches it on."""
    assert not [spec for spec in formation(CONFIG) if spec.pop == "chennai"]


def test_the_pair_shares_its_listening_sockets() -> None:
    """One queue in the kernel: when one of the two dies the other accepts from it."""
    a, b = (spec for spec in supervised_by(CONFIG, "l4") if spec.pop == "mumbai")

    assert a.listen == b.listen
    assert {listen.key for listen in a.listen} == {"https", "http"}


def test_several_name_servers_stand_behind_an_l4_on_ports_of_their_own() -> None:
    """The address is the L4's; free ports are as many as there are name servers."""
    (front,) = (spec for spec in supervised_by(CONFIG, "l4") if not spec.pop)
    one, other = supervised_by(CONFIG, "dns")

    assert {listen.key for listen in front.listen} == {"udp", "tcp"}
    assert {listen.key for listen in one.listen} == {"inner-udp", "inner-tcp"}
    assert not set(one.listen) & set(other.listen)


def test_only_a_relay_needs_workers_with_an_address() -> None:
    """Each has a port of its own that its supervisor holds; handoff needs none."""
    relay = msgspec.structs.replace(CONFIG, l4=L4Config(engine="relay"))
    one, other = supervised_by(relay, "l7")

    assert [spec.listen for spec in supervised_by(CONFIG, "l7")] == [(), ()]
    assert [(listen.key, listen.host, listen.port) for listen in one.listen] == [("relay", "127.0.0.1", 0)]
    assert one.listen != other.listen


def test_one_name_server_has_the_address_itself() -> None:
    """A balancer for one would only be a hop."""
    alone = msgspec.structs.replace(CONFIG, dns=DnsConfig(listen="127.0.0.1:0", workers=1))

    assert [spec.pop for spec in supervised_by(alone, "l4")] == ["mumbai", "mumbai"]
    assert {listen.key for listen in supervised_by(alone, "dns")[0].listen} == {"udp", "tcp"}


@pytest.mark.parametrize("tier", ["control", "dns", "l4", "l7", "services", "console"])
def test_the_procfile_lines_together_own_everything_once(tier: str) -> None:
    """No process without a parent, none with two."""
    owned = [
        spec.name
        for line in ("control", "dns", "l4", "l7", "services", "console")
        for spec in supervised_by(CONFIG, line)
    ]

    assert sorted(owned) == sorted(spec.name for spec in formation(CONFIG))
    assert supervised_by(CONFIG, tier)


def test_the_console_can_be_left_out() -> None:
    """Who needs no pages needs no process for them."""
    without = msgspec.structs.replace(CONFIG, console="")

    assert not supervised_by(without, "console")
    assert supervised_by(CONFIG, "console")[0].listen[0].host == "127.0.0.1"


def test_addresses_of_both_families_are_split() -> None:
    """IPv6 needs its brackets."""
    assert split_address("127.0.0.1:53") == ("127.0.0.1", 53)
    assert split_address("[::1]:53") == ("::1", 53)
    with pytest.raises(ValueError, match="host:port"):
        split_address("53")
