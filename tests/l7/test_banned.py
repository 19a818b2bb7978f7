"""Whose connections end when a ban is heard of."""

import pytest

from edge.common.messages import Ban
from edge.l7.banned import banned_among

NOW = 1_000.0


def ban(network: str, until_unix: float = NOW + 60) -> Ban:
    return Ban(network=network, until_unix=until_unix, reason="waf")


def test_the_banned_and_nobody_else() -> None:
    """A neighbour in the same city goes on."""
    sources = ["127.66.1.1", "127.66.1.2", "2001:db8::1"]

    assert banned_among(sources, [ban("127.66.1.1")], NOW) == {"127.66.1.1"}


@pytest.mark.parametrize(
    ("network", "source"),
    [
        ("203.0.113.0/24", "203.0.113.77"),
        ("2001:db8:0:1::5", "2001:db8:0:1:ffff::9"),  # one address stands for its prefix, as at L4
        ("203.0.113.7", "::ffff:203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
    ],
)
def test_a_ban_is_understood_as_l4_understands_it(network: str, source: str) -> None:
    """What the one refuses and the other serves would be a way around both."""
    assert banned_among([source], [ban(network)], NOW) == {source}


def test_a_ban_that_has_run_out_ends_nothing() -> None:
    """A hub that comes back may still know old ones."""
    assert banned_among(["127.66.1.1"], [ban("127.66.1.1", NOW - 1)], NOW) == frozenset()


def test_the_allowed_are_spared() -> None:
    """L4 admits them whatever is banned, so their connections stay."""
    found = banned_among(["10.0.0.1", "10.0.1.1"], [ban("10.0.0.0/8")], NOW, allowed=["10.0.1.0/24"])

    assert found == {"10.0.0.1"}


def test_what_is_no_network_costs_nobody_anything() -> None:
    """An operator's typo reaches every process; the hub's link must live on."""
    assert banned_among(["127.66.1.1", "-"], [ban("nonsense"), ban("127.66.1.1")], NOW) == {"127.66.1.1"}
