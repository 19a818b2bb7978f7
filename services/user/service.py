"""user: profiles and ties.  [I/O]"""

import time

from edge.common.http_messages import HttpRequest, HttpResponse, Refusal, json_response, whole_number
from edge.common.http_routes import Routes
from edge.common.people import username
from edge.common.process import Process
from services.frame import Frame, serve_routes
from services.graph import Graph
from services.posts import Posts
from services.profile import profile

WORK_MS = 2.0
PAGE = 50


async def serve(process: Process) -> None:
    """Answer questions about accounts until drained."""
    frame = Frame(process, work_ms=WORK_MS)
    user = User(frame)
    routes = Routes()
    routes.add("GET", "/internal/following/{id}/", user.internal_following)
    routes.add("GET", "/api/v1/users/{id}/info/", user.info)
    routes.add("GET", "/api/v1/accounts/current_user/", user.current_user)
    routes.add("GET", "/api/v1/friendships/{id}/following/", user.following)
    routes.add("GET", "/api/v1/friendships/{id}/followers/", user.followers)
    await serve_routes(frame, routes)


class User:
    """The handlers and the graph they read."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._graph = Graph(frame.seed, frame.accounts)
        self._posts = Posts(frame.seed)

    async def internal_following(self, request: HttpRequest) -> HttpResponse:
        """For feed: whom the account follows, as [id, user name] pairs."""
        account = self._account(request)
        await self._frame.work(request)
        following = self._graph.following(account)
        request.attributes["edge.following"] = len(following)
        return json_response({"following": [[other, username(other)] for other in following]})

    async def info(self, request: HttpRequest) -> HttpResponse:
        """One account's profile."""
        request.signed_in()
        account = self._account(request)
        await self._frame.work(request)
        return json_response({"user": self._profile(account), "status": "ok"})

    async def current_user(self, request: HttpRequest) -> HttpResponse:
        """The profile of whoever asks."""
        account = request.signed_in()
        await self._frame.work(request)
        return json_response({"user": self._profile(account), "status": "ok"})

    async def following(self, request: HttpRequest) -> HttpResponse:
        """Whom an account follows, `PAGE` at a time."""
        return await self._list(request, self._graph.following(self._account(request)))

    async def followers(self, request: HttpRequest) -> HttpResponse:
        """Who follows an account, `PAGE` at a time."""
        return await self._list(request, self._graph.followers(self._account(request)))

    async def _list(self, request: HttpRequest, accounts: list[int]) -> HttpResponse:
        request.signed_in()
        await self._frame.work(request)
        # The cursor is the last account seen, so a page survives people who leave.
        after = whole_number(request.query.get("max_id", "0"))
        if after is None:
            raise Refusal(400, "bad-cursor", "max_id is the next_max_id of the page before")
        rest = [account for account in accounts if account > after]
        page = rest[:PAGE]
        users = [profile(account) for account in page]
        cursor = {"next_max_id": str(page[-1])} if len(rest) > PAGE else {}
        return json_response({"users": users, "big_list": bool(cursor), "status": "ok", **cursor})

    def _profile(self, account: int) -> dict[str, object]:
        graph = self._graph
        newest = self._posts.newest(account, (int(time.time()), 0))
        return {
            **profile(account),
            "following_count": len(graph.following(account)),
            "follower_count": len(graph.followers(account)),
            "media_count": newest.number + 1 if newest else 0,
        }

    def _account(self, request: HttpRequest) -> int:
        account = whole_number(request.parameters["id"])
        if account is None or not self._graph.knows(account):
            raise Refusal(404, "no-such-account", "there is no such account")
        return account
