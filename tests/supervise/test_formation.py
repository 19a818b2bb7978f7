"""Which processes make up the edge."""

import msgspec
import pytest

from edge.common.config import Config, DnsConfig, Place, PopConfig, ServiceConfig
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
        "l4-mumbai-a", "l4-mumbai-b", "dns-1", "dns-2",
        "console",
    ]  # fmt: skip


def test_a_pop_that_is_switched_off_has_no_process() -> None:
    """It is in the file for the day somebody switches it on."""
    assert not [spec for spec in formation(CONFIG) if spec.pop == "chennai"]


def test_the_pair_shares_its_listening_sockets() -> None:
    """One queue in the kernel: when one of the two dies the other accepts from it."""
    a, b = supervised_by(CONFIG, "l4")

    assert a.listen == b.listen
    assert {listen.key for listen in a.listen} == {"https", "http"}


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
