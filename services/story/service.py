"""story: the tray above the feed, and the reels in it.  [I/O]"""

import time
from typing import Any

from edge.common.http_messages import HttpRequest, HttpResponse, Refusal, json_response, whole_number
from edge.common.http_routes import Routes
from edge.common.process import Process
from services.frame import Frame, serve_routes
from services.graph import Graph
from services.profile import profile
from services.story.stories import Item, reel, tray

WORK_MS = 2.0
TRAY_MAX = 20


async def serve(process: Process) -> None:
    """Tell stories until drained."""
    frame = Frame(process, work_ms=WORK_MS)
    story = Story(frame)
    routes = Routes()
    routes.add("GET", "/api/v1/feed/reels_tray/", story.tray)
    routes.add("GET", "/api/v1/story/{id}/items/", story.items)
    routes.add("GET", "/api/v1/feed/user/{id}/story/", story.items)
    await serve_routes(frame, routes)


class Story:
    """The handlers."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._graph = Graph(frame.seed, frame.accounts)

    async def tray(self, request: HttpRequest) -> HttpResponse:
        """Whose stories are to be seen; `limit` of them, newest first."""
        account = request.signed_in()
        limit = request.query.get("limit", "")
        count = (
            min(TRAY_MAX, int(limit)) if limit.isascii() and limit.isdigit() and len(limit) < 4 else TRAY_MAX
        )
        await self._frame.work(request)
        reels = tray(self._frame.seed, self._graph.following(account), int(time.time()), count)
        request.attributes["edge.reels"] = len(reels)
        return json_response(
            {
                "tray": [
                    {
                        "id": owner,
                        "user": profile(owner),
                        "media_count": len(items),
                        "latest_reel_media": items[-1].taken_at,
                        "expiring_at": items[-1].expires_at,
                        "items_url": f"/api/v1/story/{owner}/items/",
                    }
                    for owner, items in reels
                ],
                "status": "ok",
            }
        )

    async def items(self, request: HttpRequest) -> HttpResponse:
        """One account's reel."""
        request.signed_in()
        owner = whole_number(request.parameters["id"])
        if owner is None or not self._graph.knows(owner):
            raise Refusal(404, "no-such-account", "there is no such account")
        await self._frame.work(request)
        found = reel(self._frame.seed, owner, int(time.time()))
        return json_response(
            {"id": owner, "user": profile(owner), "items": [_shown(item) for item in found], "status": "ok"}
        )


def _shown(item: Item) -> dict[str, Any]:
    return {
        "id": item.item_id,
        "taken_at": item.taken_at,
        "expiring_at": item.expires_at,
        "media_type": 1,
        "image_versions2": {"candidates": [{"width": 540, "height": 960, "url": f"/media/{item.media_id}"}]},
    }
