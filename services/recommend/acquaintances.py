"""Whom may this account know?

Friends of friends: everybody whom the followed ones follow, counted, without
those already followed.  The count is the reason given.  Looking at the first
`FRIENDS_MAX` followed accounts is enough to find many and keeps the work bounded.
"""

from collections import Counter

from services.graph import Graph

FRIENDS_MAX = 20


def acquaintances(graph: Graph, account: int, count: int) -> list[tuple[int, int]]:
    """Up to `count` pairs of (account, how many friends in common), most first."""
    following = graph.following(account)
    seen: Counter[int] = Counter()
    for friend in following[:FRIENDS_MAX]:
        seen.update(graph.following(friend))
    for known in (account, *following):
        seen.pop(known, None)
    return sorted(seen.items(), key=lambda found: (-found[1], found[0]))[:count]
