"""Which pictures has an account posted, and which come next in a feed?

Each account posts at its own pace, from every four hours to every three days,
from 2024 on for ever: picture n of an account was taken at `phase + n * period`.  So
the newest posts of any set of accounts are arithmetic, yesterday's feed is the
same today, and tomorrow there is something new.

A feed is the union of its authors' posts, newest first; `(taken_at, author)`
names a post and orders it, and a page ends where the next one begins.
"""

import heapq
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from services.chance import draw, share

PERIOD_S_MIN = 4 * 3600
PERIOD_S_MAX = 72 * 3600
BEGAN_UNIX = 1_704_067_200  # 2024-01-01: before it, nobody had posted anything
# A pace is two integers; 4,096 of them are half a megabyte.
PACES_MAX = 4096
LIKES_MAX = 4096  # of the posts that are in everybody's feed just now

_SUBJECTS = (
    "morning light", "the long way home", "second coffee", "low tide", "a full stack", "rain at last",
    "night train", "market day", "packet loss", "the last mile", "old town", "three way handshake",
)  # fmt: skip
_PLACES = ("Jaipur", "Mumbai", "Chennai", "Singapore", "London", "Pune", "Udaipur", "the roof", "the office")
_TAGS = ("#latency", "#goldenhour", "#anycast", "#nofilter", "#uptime", "#travel", "#monsoon", "#edge")


class Post(NamedTuple):
    """One picture; sorts by age and author, oldest first."""

    taken_at: int  # Unix seconds
    author: int
    number: int

    @property
    def media_id(self) -> str:
        """How the rest of the edge calls it: number and author, as Instagram does."""
        return f"{self.number}_{self.author}"


Before = tuple[int, int]  # (taken_at, author): what sorts before it is wanted


class Posts:
    """Every post there ever was, by arithmetic."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._final_likes = lru_cache(maxsize=LIKES_MAX)(self._drawn_likes)
        self._pace = lru_cache(maxsize=PACES_MAX)(self._drawn_pace)

    def newest(self, author: int, before: Before) -> Post | None:
        """The newest post of `author` that sorts before `before`."""
        period, phase = self._pace(author)
        taken_before, author_before = before
        last = taken_before if author < author_before else taken_before - 1
        number = (last - phase) // period
        return Post(phase + number * period, author, number) if number >= 0 else None

    def page(self, authors: Iterable[int], before: Before, count: int) -> list[Post]:
        """The `count` newest posts of `authors` before `before`, newest first."""
        heads = []
        for author in authors:
            post = self.newest(author, before)
            if post is not None:
                heads.append((-post.taken_at, -author, post.number))
        heapq.heapify(heads)
        found: list[Post] = []
        while heads and len(found) < count:
            age, negative, number = heads[0]
            found.append(Post(-age, -negative, number))
            if number > 0:
                heapq.heapreplace(heads, (age + self._pace(-negative)[0], negative, number - 1))
            else:
                heapq.heappop(heads)
        return found

    def likes(self, post: Post, unix_now: int) -> int:
        """How many have liked it by now: quickly at first, then hardly any more."""
        final = self._final_likes(post.author, post.number)
        age_h = max(0, unix_now - post.taken_at) / 3600
        return int(final * age_h / (age_h + 3))

    def caption(self, post: Post) -> str:
        """A line under the picture."""
        dice = draw(self._seed, "caption", post.author, post.number)
        subject = _SUBJECTS[dice % len(_SUBJECTS)]
        place = _PLACES[dice // 64 % len(_PLACES)]
        tag = _TAGS[dice // 4096 % len(_TAGS)]
        return f"{subject}, {place} {tag}"

    def _drawn_likes(self, author: int, number: int) -> int:
        return int(10 * 2 ** (9 * share(self._seed, "likes", author, number)))

    def _drawn_pace(self, author: int) -> tuple[int, int]:
        dice = share(self._seed, "period", author)
        period = PERIOD_S_MIN + int((PERIOD_S_MAX - PERIOD_S_MIN) * dice)
        return period, BEGAN_UNIX + draw(self._seed, "phase", author) % period


def media_number(media_id: str) -> tuple[int, int] | None:
    """(number, author) out of a media id, None where it is none."""
    number, underscore, author = media_id.partition("_")
    if not underscore or not (number + author).isascii() or not number.isdigit() or not author.isdigit():
        return None
    return (int(number), int(author)) if len(number) <= 12 and len(author) <= 9 else None
