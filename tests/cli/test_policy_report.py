"""What the page says is what the parts do."""

from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from edge.cli.policy_report import Policy, policies, unwell_max
from edge.common.config import Config, HealthConfig, Place, PopConfig, WafConfig
from edge.common.config_file import load
from edge.dns.health import Health
from edge.dns.steer import Steering
from tests.l7.upstream.test_cluster import check, cluster

ROOT = Path(__file__).parents[2]
CONFIG = load(ROOT / "edge.toml", {})


def told(config: Config, **copies: int) -> dict[tuple[str, str], Policy]:
    return {(one.tier, one.when): one for one in policies(config, copies)}


def find(config: Config, text: str, **copies: int) -> Policy:
    [found] = [one for (_, when), one in told(config, **copies).items() if text in when]
    return found


@given(st.integers(min_value=2, max_value=9), st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0]))
def test_the_cluster_panics_exactly_where_the_page_says(copies: int, panic_below: float) -> None:
    """One more than `unwell_max`, and not one before."""
    for unwell in range(copies + 1):
        of = cluster(copies, health=HealthConfig(panic_below=panic_below))
        for number in range(unwell):
            check(of, f"h:{number}", False, 1.0, times=3)
        pick = of.pick(None, (), 1.0, Random(1))

        assert pick is not None
        assert ("panic" in pick.why) == (unwell > unwell_max(copies, panic_below))


def test_dns_does_what_the_page_says_when_no_pop_is_well() -> None:
    """Open: all of them."""
    place = Place(north=0, east=0)
    pops = [PopConfig(name=name, address=f"127.0.{at}.1", place=place) for at, name in enumerate("ab", 1)]
    choice = Steering(pops, {"a": Health(False, "down"), "b": Health(False, "down")}).choose(None)

    assert choice is not None
    assert len(choice.chosen) == 2
    assert find(CONFIG, "no POP is well").mode == "open"


def test_the_numbers_are_those_of_this_edge() -> None:
    """Two copies of feed live now; one of one media."""
    assert "one of its 2 copies" in find(CONFIG, "one of its 2 copies dies", feed=2).when
    assert find(CONFIG, "its only copy dies (now: 1 copy)", media=1).mode == "closed"


@pytest.mark.parametrize(
    ("waf", "mode"),
    [
        (WafConfig(), "closed"),
        (WafConfig(on_budget="log"), "open"),
        (WafConfig(mode="detect"), "open"),
    ],
)
def test_the_firewall_fails_as_it_was_told_to(waf: WafConfig, mode: str) -> None:
    """A changed setting changes the page."""
    assert find(replace(CONFIG, waf=waf), "the firewall needs").mode == mode


def test_a_pop_with_one_distributor_has_nobody_to_take_over() -> None:
    """The kernel keeps who comes meanwhile."""
    alone = replace(CONFIG, pop=tuple(replace(pop, l4=1) for pop in CONFIG.pop))

    assert "another accepts" in find(CONFIG, "distributor of mumbai dies").then
    assert "kernel's queue" in find(alone, "distributor of mumbai dies").then


def test_every_sentence_names_a_file_that_is_there() -> None:
    """Where to read on, and to check it."""
    for one in policies(CONFIG, {"feed": 2, "media": 1}):
        assert (ROOT / one.source).is_file(), one.source
