"""Profiles and ties over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge.common.http_client import Address
from services.graph import Graph
from services.user.service import serve
from tests.kit.services import ADA, ask, process_of, running

GRAPH = Graph(2026, 10_000)


@pytest.fixture
async def user(tmp_path: Path) -> AsyncIterator[Address]:
    async with running(serve, process_of("user", tmp_path)) as address:
        yield address


async def test_a_profile_counts_what_the_lists_hold(user: Address) -> None:
    """Numbers that do not fit the lists would look like a bug, and be one."""
    profile = (await ask(user, "/api/v1/users/2/info/", ADA)).json()["user"]

    assert profile["username"] == "grace"
    assert profile["following_count"] == len(GRAPH.following(2))
    assert profile["follower_count"] == len(GRAPH.followers(2))


async def test_the_lists_are_paged_to_their_end(user: Address) -> None:
    """Every follower once."""
    found: list[int] = []
    cursor = "0"
    while cursor:
        page = (await ask(user, f"/api/v1/friendships/1/followers/?max_id={cursor}", ADA)).json()
        found += [one["pk"] for one in page["users"]]
        cursor = page.get("next_max_id", "")

    assert found == GRAPH.followers(1)


async def test_feed_gets_pairs_of_id_and_name(user: Address) -> None:
    """One question instead of one for each author."""
    reply = (await ask(user, "/internal/following/1/")).json()["following"]

    assert [other for other, _ in reply] == GRAPH.following(1)
    assert [2, "grace"] in reply


async def test_whoever_asks_may_ask_who_they_are(user: Address) -> None:
    """The phone's first question after logging in."""
    assert (await ask(user, "/api/v1/accounts/current_user/", ADA)).json()["user"]["pk"] == 1


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/api/v1/users/10001/info/", 404),
        ("/api/v1/users/x/info/", 404),
        ("/api/v1/friendships/1/followers/?max_id=x", 400),
    ],
)
async def test_nobody_is_not_found(user: Address, target: str, status: int) -> None:
    """Bad questions get answers that say so."""
    assert (await ask(user, target, ADA)).status == status
