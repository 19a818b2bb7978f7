"""People you may know."""

from services.graph import Graph
from services.recommend.acquaintances import FRIENDS_MAX, acquaintances

GRAPH = Graph(2026, 400)


def test_friends_of_friends_by_how_many_friends_are_shared() -> None:
    """Counted again in the obvious way."""
    following = GRAPH.following(1)
    for other, common in acquaintances(GRAPH, 1, 10):
        friends = [friend for friend in following[:FRIENDS_MAX] if GRAPH.follows(friend, other)]
        assert len(friends) == common > 0


def test_nobody_is_suggested_who_is_known_already() -> None:
    """Least of all oneself."""
    suggested = {other for other, _ in acquaintances(GRAPH, 1, 400)}

    assert suggested
    assert not suggested & {1, *GRAPH.following(1)}


def test_the_most_shared_come_first_and_not_more_than_asked() -> None:
    """Three fit on the screen."""
    counts = [common for _, common in acquaintances(GRAPH, 1, 3)]

    assert len(counts) == 3
    assert counts == sorted(counts, reverse=True)
