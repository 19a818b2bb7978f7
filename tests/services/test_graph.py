"""The social graph that nobody stored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.graph import TIES_MAX, TIES_MIN, Graph

SMALL = Graph(2026, 300)
LARGE = Graph(2026, 10_000)


def test_followers_are_the_followed_seen_from_the_other_end() -> None:
    """The inverse formula against the obvious search through everybody."""
    following = {account: set(SMALL.following(account)) for account in range(1, 301)}

    for account in range(1, 301):
        assert SMALL.followers(account) == [other for other in range(1, 301) if account in following[other]]


@given(st.integers(1, 300), st.integers(1, 300))
def test_one_tie_is_found_without_listing_them_all(account: int, other: int) -> None:
    """ranking and user ask this a lot."""
    assert SMALL.follows(account, other) == (other in SMALL.following(account))


@given(st.integers(1, 10_000))
def test_ties_are_of_human_size_and_never_to_oneself(account: int) -> None:
    """Feeds of this size fill a few pages; the fan-out's cost is bounded."""
    following = LARGE.following(account)

    assert TIES_MIN - 3 <= len(following) <= TIES_MAX + 5
    assert account not in following
    assert all(LARGE.knows(other) for other in following)
    assert following == sorted(set(following))


def test_the_six_named_ones_know_each_other() -> None:
    """Their direct messages and labs need somebody to talk to."""
    assert set(LARGE.following(1)) >= {2, 3, 4, 5, 6}
    assert LARGE.follows(6, 1)


@pytest.mark.parametrize("accounts", [1, 2, 5, 6, 7, 97, 1024])
def test_a_world_of_any_size_holds_together(accounts: int) -> None:
    """The number of accounts is configuration; the constants must stay invertible."""
    graph = Graph(1, accounts)

    for account in range(1, accounts + 1):
        assert all(graph.follows(account, other) for other in graph.following(account))
    assert not graph.knows(0)
    assert not graph.knows(accounts + 1)
