"""Ask five services at once, and live with what came in time.  [I/O]

The branch of the posts is a chain (whom do I follow, what did they post, in
which order do I want it); ads, stories and suggestions run beside it.  When the
deadline comes, what is there is the feed.

user is required, because without it there is nothing to show: a slow answer of
its is waited for longer, since a late feed beats an error.  Without ranking the
order is by time.  The others are decoration.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import orjson
import trio

from edge.common.errors import EdgeError
from edge.common.http_client import BadReply, TooSlow, Unreachable
from edge.common.http_messages import HttpReply, HttpRequest
from services.feed.compose import Order, by_model, by_recency
from services.feed.cursor import WINDOW, Cursor
from services.frame import Frame
from services.posts import Post, Posts

TRAY_LIMIT = 8
# A branch gives up this much before the nursery does, so that its span says "timeout".
GIVE_UP_S = 0.002
# A supervisor has a killed service back in some 20 ms; the one service that the feed
# cannot do without is worth waiting for, while the deadline allows it.
RESTART_PAUSE_S = 0.025
# How long user is waited for in all; L7 gives one try of a feed a second.
REQUIRED_S = 0.8


class NoPosts(EdgeError):
    """The feed could not learn whom the account follows."""

    blame = "service"
    retryable = True
    status_hint = 503


class FanOut:
    """The questions behind one page, and the answers that came."""

    def __init__(self, frame: Frame, posts: Posts, request: HttpRequest, cursor: Cursor) -> None:
        self.window: list[Post] = []
        self.order: Order = []
        self.model = "recency"
        self.ads: list[Mapping[str, Any]] = []
        self.tray: list[Mapping[str, Any]] = []
        self.suggestions: list[Mapping[str, Any]] = []
        self.missing: dict[str, str] = {}  # service -> why it brought nothing
        self._frame = frame
        self._posts = posts
        self._request = request
        self._cursor = cursor
        self._account = request.signed_in()
        self._until = 0.0

    async def run(self, deadline_s: float) -> None:
        """Ask everybody; return when all have answered or the deadline came.

        Raises `NoPosts`.
        """
        branches = {"user": self._ask_posts, "ads": self._ask_ads}
        if self._cursor.is_top():
            # Further pages are posts and ads only, as on the phone: the tray is at the top.
            branches |= {"story": self._ask_story, "recommend": self._ask_recommend}
        late = f"no answer within {deadline_s * 1000:.0f} ms"
        self.missing = dict.fromkeys((*branches, "ranking"), late)
        self._until = trio.current_time() + deadline_s - GIVE_UP_S
        async with trio.open_nursery() as nursery:
            nursery.start_soon(branches.pop("user"))
            with trio.move_on_after(deadline_s):
                async with trio.open_nursery() as decoration:
                    for ask in branches.values():
                        decoration.start_soon(ask)
        if "user" in self.missing:
            raise NoPosts(f"user: {self.missing['user']}")
        if "ranking" in self.missing:
            self.order = by_recency(self.window)

    async def _ask_posts(self) -> None:
        with self._noted("user"):
            reply = await self._ask_user()
            authors = [self._account, *(int(other) for other, _ in _list_in(reply, "following"))]
            before = (self._cursor.taken_before, self._cursor.author_before)
            self.window = self._posts.page(authors, before, WINDOW)
        if not self.window:
            return
        with self._noted("ranking"):
            body = orjson.dumps({"candidates": [self._candidate(post) for post in self.window]})
            reply = await self._ask("ranking", "/internal/rank/", "/internal/rank/", body)
            self.order = by_model(self.window, _list_in(reply, "ranked"))
            self.model = str(reply.json().get("model"))

    async def _ask_user(self) -> HttpReply:
        give_up_at = trio.current_time() + REQUIRED_S
        while True:
            try:
                path = f"/internal/following/{self._account}/"
                return await self._ask("user", path, "/internal/following/{id}/", timeout_s=REQUIRED_S)
            except Unreachable:
                # Nobody took the question, so asking again adds no load anywhere.
                if trio.current_time() + RESTART_PAUSE_S >= give_up_at:
                    raise
            await trio.sleep(RESTART_PAUSE_S)

    async def _ask_ads(self) -> None:
        with self._noted("ads"):
            self.ads = _list_in(await self._ask("ads", "/internal/ads/", "/internal/ads/"), "ads")

    async def _ask_story(self) -> None:
        path = "/api/v1/feed/reels_tray/"
        with self._noted("story"):
            self.tray = _list_in(await self._ask("story", f"{path}?limit={TRAY_LIMIT}", path), "tray")

    async def _ask_recommend(self) -> None:
        path = "/internal/suggestions/"
        with self._noted("recommend"):
            self.suggestions = _list_in(await self._ask("recommend", path, path), "suggestions")

    @contextmanager
    def _noted(self, service: str) -> Iterator[None]:
        """A branch that fails says why, and harms no other."""
        try:
            yield
        except EdgeError as error:
            self.missing[service] = str(error)
        else:
            del self.missing[service]

    async def _ask(
        self, service: str, target: str, route: str, body: bytes = b"", timeout_s: float | None = None
    ) -> HttpReply:
        left_s = self._until - trio.current_time() if timeout_s is None else timeout_s
        if left_s <= 0:
            raise TooSlow(f"{service}: the deadline passed before it could be asked")
        return await self._frame.ask(
            service,
            "POST" if body else "GET",
            target,
            self._request,
            route=route,
            body=body,
            timeout_s=left_s,
        )

    def _candidate(self, post: Post) -> list[Any]:
        # Ages count from the moment the reader began: see `services.feed.cursor`.
        began = self._cursor.began_unix
        return [post.media_id, post.author, began - post.taken_at, self._posts.likes(post, began)]


def _list_in(reply: HttpReply, key: str) -> list[Any]:
    """The list under `key` of a JSON reply.  Raises `BadReply`."""
    try:
        value = reply.json()[key]
    except (ValueError, KeyError, TypeError) as error:
        raise BadReply(f"the reply has no {key!r}") from error
    if not isinstance(value, list):
        raise BadReply(f"the reply's {key!r} is no list")
    return value
