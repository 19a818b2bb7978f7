"""Configuration names and what they mean."""

from random import Random
from typing import get_args

import pytest

from edge.common.balance.factory import POLICIES, make_balancer
from edge.common.balance.policy import Target, able
from edge.common.config import Balance


def test_every_name_the_configuration_allows_is_a_policy() -> None:
    """A name that passes the check must not fail in a worker."""
    assert set(POLICIES) == set(get_args(Balance))


@pytest.mark.parametrize("policy", get_args(Balance))
def test_every_policy_chooses_explains_and_gives_up_alike(policy: Balance) -> None:
    """Callers know one interface."""
    balancer = make_balancer(policy)
    empty = balancer.pick(b"k", lambda name: 0.0, Random(1))
    balancer.set_endpoints([Target("a"), Target("b"), Target("off", 0.0)])
    balancer.observe("a", 0.001, now=1.0)

    choices = [balancer.pick(b"k", lambda name: 0.0, Random(n), now=2.0) for n in range(20)]
    last = balancer.pick(b"k", lambda name: 0.0, Random(1), exclude={"a", "b"})

    assert balancer.name == policy
    assert empty is None
    assert last is None
    assert all(choice is not None and choice.name in "ab" and choice.why for choice in choices)


def test_only_weight_makes_able() -> None:
    """Weight 0 is how a drain says "no new work"."""
    assert able([Target("a", 0.0), Target("b", 0.5)]) == [Target("b", 0.5)]
