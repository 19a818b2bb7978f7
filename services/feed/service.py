"""feed: one page of the timeline.  [I/O]"""

import time

from edge.common.http_messages import HttpRequest, HttpResponse, Refusal, json_response, whole_number
from edge.common.http_routes import Routes
from edge.common.process import Process
from services.feed import compose, cursor
from services.feed.fanout import FanOut
from services.frame import Frame, serve_routes
from services.posts import Posts


async def serve(process: Process) -> None:
    """Put feeds together until drained."""
    frame = Frame(process)
    feed = Feed(frame)
    routes = Routes()
    routes.add("GET", "/api/v1/feed/timeline/", feed.timeline)
    routes.add("GET", "/api/v1/feed/user/{id}/", feed.of_user)
    await serve_routes(frame, routes)


class Feed:
    """The handlers."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._posts = Posts(frame.seed)
        self._degraded = frame.process.metrics.counter(
            "edge_feed_degraded_total", "Feeds answered without a service's share", ("missing",)
        )

    async def timeline(self, request: HttpRequest) -> HttpResponse:
        """The next page of the account's feed; `max_id` from the page before."""
        request.signed_in()
        now = int(time.time())
        text = request.query.get("max_id", "")
        place = cursor.parse(text) if text else cursor.first(now)
        await self._frame.work(request)
        found = FanOut(self._frame, self._posts, request, place)
        await found.run(self._frame.process.config.services.feed_deadline_ms / 1000)
        with self._frame.recorder.internal(request.trace, "feed.compose"):
            page = found.order[place.offset : place.offset + cursor.PAGE]
            more = place.after(len(page), [(post.taken_at, post.author) for post in found.window])
            items = compose.items(page, self._posts, now, found.ads, found.suggestions)
            response = json_response(
                {
                    "feed_items": items,
                    "num_results": len(items),
                    "more_available": more is not None,
                    "next_max_id": more.text() if more is not None else None,
                    "reels_tray": found.tray,
                    "ranked_by": found.model,
                    "degraded": sorted(found.missing),
                    "request_id": request.trace.trace_id,
                    "status": "ok",
                },
                headers=((b"cache-control", b"private, no-store"),),
            )
        self._tell(request, found)
        return response

    async def of_user(self, request: HttpRequest) -> HttpResponse:
        """One account's own pictures, newest first."""
        request.signed_in()
        author = whole_number(request.parameters["id"])
        if author is None or not 1 <= author <= self._frame.accounts:
            raise Refusal(404, "no-such-account", "there is no such account")
        now = int(time.time())
        taken_before = whole_number(request.query.get("max_id", str(now)), 12)
        if taken_before is None:
            raise Refusal(400, "bad-cursor", "max_id is the next_max_id of the page before")
        await self._frame.work(request)
        page = self._posts.page([author], (min(now, taken_before), 0), cursor.PAGE)
        return json_response(
            {
                "items": [compose.media(post, self._posts, now, None) for post in page],
                "more_available": len(page) == cursor.PAGE,
                "next_max_id": str(page[-1].taken_at) if len(page) == cursor.PAGE else None,
                "status": "ok",
            }
        )

    def _tell(self, request: HttpRequest, found: FanOut) -> None:
        request.attributes["edge.feed.ranked_by"] = found.model
        if not found.missing:
            return
        for service in found.missing:
            self._degraded.child(service).value += 1
        request.attributes["edge.degraded"] = ",".join(sorted(found.missing))
        request.attributes["edge.why"] = "; ".join(f"no {name}: {why}" for name, why in found.missing.items())
