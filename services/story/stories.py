"""Who has a story to show right now, and what is in it?

A story lives for a day.  Whether an account has told one in a given six hours is
drawn from the seed; so yesterday's stories are gone, today's are the same in
both instances, and nothing is stored.  A reel is all living stories of one
account.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from services.chance import draw, share

SLOT_S = 6 * 3600
LIFE_SLOTS = 4  # a day
TELLS_SHARE = 0.18  # of accounts in each slot
ITEMS_MAX = 3
# Drawing costs microseconds, and a tray asks for every slot of everybody followed.
TOLD_MAX = 16_384  # mostly empty tuples: about 2 MB


@dataclass(frozen=True, slots=True)
class Item:
    """One picture of a story."""

    item_id: str
    taken_at: int
    expires_at: int
    media_id: str


def reel(seed: int, account: int, unix_now: int) -> list[Item]:
    """The living stories of `account`, oldest first; empty for most."""
    newest = unix_now // SLOT_S
    return [
        item
        for slot in range(newest - LIFE_SLOTS, newest + 1)
        for item in _told(seed, account, slot)
        if item.taken_at <= unix_now < item.expires_at
    ]


def tray(seed: int, accounts: Iterable[int], unix_now: int, count: int) -> list[tuple[int, list[Item]]]:
    """The `count` accounts with the newest stories, newest first, and their reels."""
    reels = ((account, reel(seed, account, unix_now)) for account in accounts)
    told = [(account, items) for account, items in reels if items]
    told.sort(key=lambda pair: (-pair[1][-1].taken_at, pair[0]))
    return told[:count]


@lru_cache(maxsize=TOLD_MAX)
def _told(seed: int, account: int, slot: int) -> tuple[Item, ...]:
    """What `account` told in one slot, oldest first."""
    if share(seed, "story", account, slot) >= TELLS_SHARE:
        return ()
    dice = draw(seed, "items", account, slot)
    items = []
    for n in range(1 + dice % ITEMS_MAX):
        taken_at = slot * SLOT_S + (dice >> (8 + 16 * n)) % SLOT_S
        name = f"{slot}{n}_{account}"
        items.append(Item(name, taken_at, taken_at + LIFE_SLOTS * SLOT_S, f"s{name}"))
    return tuple(sorted(items, key=lambda item: (item.taken_at, item.item_id)))
