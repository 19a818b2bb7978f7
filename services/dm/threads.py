"""Which thread do two people share, and what stands in it?

A thread belongs to two accounts and its id says which: the smaller one times a
thousand million, plus the larger one.  Nobody has to create it, and both
instances agree on it.

So that a new inbox is not empty, each thread begins with a greeting from one of
the two.  It is derived from the seed, like the rest of this world, stands below
the first real message, and is never stored.
"""

from dataclasses import dataclass
from typing import Any

from services.chance import draw
from services.profile import profile

_STEP = 1_000_000_000
TEXT_CHARS_MAX = 2000
CONTEXT_CHARS_MAX = 64
GREETERS = 5

_GREETINGS = (
    "hey, did you see the sunset from the roof yesterday?",
    "the train is late again. again!",
    "your last picture, where was that?",
    "coffee on Thursday?",
    "I finally read that book on queueing. you were right",
    "ping",
)


@dataclass(frozen=True, slots=True)
class Item:
    """One message."""

    seq: int  # its place in the order of all messages; 0 for a greeting
    thread: int
    sender: int
    text: str
    sent_us: int  # Unix microseconds, as Instagram counts
    context: str = ""  # the sender's own name for it: sending twice stores once


def thread_of(one: int, other: int) -> int:
    """The thread of two accounts."""
    return min(one, other) * _STEP + max(one, other)


def members_of(thread: int) -> tuple[int, int]:
    """The two accounts of a thread; nonsense for a number that is none."""
    return divmod(thread, _STEP)


def is_thread(thread: int, accounts: int) -> bool:
    """Could these two people exist?"""
    low, high = members_of(thread)
    return 1 <= low < high <= accounts


def other_in(thread: int, account: int) -> int:
    """Who is on the other end for `account`?"""
    low, high = members_of(thread)
    return high if account == low else low


def greeting(seed: int, thread: int) -> Item:
    """The message that has always been there."""
    dice = draw(seed, "greeting", thread)
    sent_us = 1_767_225_600_000_000 + dice % (200 * 86_400) * 1_000_000
    return Item(0, thread, members_of(thread)[dice >> 32 & 1], _GREETINGS[dice % len(_GREETINGS)], sent_us)


def shown(item: Item, viewer: int) -> dict[str, Any]:
    """A message in Instagram's words."""
    value: dict[str, Any] = {
        "item_id": str(item.seq),
        "user_id": item.sender,
        "timestamp": item.sent_us,
        "item_type": "text",
        "text": item.text,
        "is_sent_by_viewer": item.sender == viewer,
    }
    if item.context:
        value["client_context"] = item.context
    return value


def shown_thread(thread: int, viewer: int, items: list[Item], cursor: str | None) -> dict[str, Any]:
    """A thread with some of its messages, newest first; `cursor` leads to older ones."""
    other = other_in(thread, viewer)
    return {
        "thread_id": str(thread),
        "thread_title": profile(other)["username"],
        "users": [profile(other)],
        "items": [shown(item, viewer) for item in items],
        "has_older": cursor is not None,
        "oldest_cursor": cursor,
    }
