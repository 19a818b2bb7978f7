"""media: `/media/{id}`, a picture.  [I/O]

Pictures are made in a thread, a few at a time; whoever asks for one that is being
made waits for it instead of making it twice.
"""

from email.utils import formatdate

import trio

from edge.common.http_messages import Header, HttpRequest, HttpResponse, Refusal, whole_number
from edge.common.http_routes import Routes
from edge.common.process import Process
from services.frame import Frame, serve_routes
from services.media.conditional import not_modified, range_counts, wanted_range
from services.media.picture import MADE_UNIX, Shape, draw, etag, shape_of
from services.media.shelf import Shelf

SHELF_BYTES_MAX = 8 * 1024 * 1024
PAINTERS = 1  # a mock must not take the cores that the edge under study runs on
MAX_AGE_S = 86_400

_MODIFIED = formatdate(MADE_UNIX, usegmt=True).encode()
_FRESHNESS = b"public, max-age=%d" % MAX_AGE_S


async def serve(process: Process) -> None:
    """Paint until drained."""
    frame = Frame(process)
    routes = Routes()
    routes.add("GET", "/media/{id}", Media(frame).picture)
    await serve_routes(frame, routes)


class Media:
    """The handler and its shelf."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._shelf = Shelf(SHELF_BYTES_MAX)
        self._painters = trio.CapacityLimiter(PAINTERS)
        self._being_made: dict[tuple[str, Shape], trio.Event] = {}

    async def picture(self, request: HttpRequest) -> HttpResponse:
        """One picture, or the part of it that is wanted."""
        name = request.parameters["id"]
        width = request.query.get("w")
        shape = shape_of(name, None if width is None else whole_number(width) or 0)
        if shape is None:
            raise Refusal(404, "no-such-picture", "there is no such picture")
        await self._frame.work(request)
        tag = etag(name, shape)
        validators: tuple[Header, ...] = (
            (b"etag", tag),
            (b"last-modified", _MODIFIED),
            (b"cache-control", _FRESHNESS),
        )
        none_match, since = request.header(b"if-none-match"), request.header(b"if-modified-since")
        if not_modified(tag, MADE_UNIX, none_match, since):
            return HttpResponse(304, headers=validators)
        data = await self._made(request, name, shape)
        kind = ((b"content-type", b"image/png"), (b"accept-ranges", b"bytes"))
        asked = request.header(b"range") if request.method == "GET" else None
        if not range_counts(request.header(b"if-range"), tag, MADE_UNIX):
            asked = None
        try:
            part = wanted_range(asked, len(data))
        except ValueError as error:
            raise Refusal(
                416, "range", str(error), ((b"content-range", b"bytes */%d" % len(data)),)
            ) from error
        if part is None:
            return HttpResponse(200, data, (*kind, *validators))
        first, last = part
        content_range = (b"content-range", b"bytes %d-%d/%d" % (first, last, len(data)))
        return HttpResponse(206, data[first : last + 1], (content_range, *kind, *validators))

    async def _made(self, request: HttpRequest, name: str, shape: Shape) -> bytes:
        key = (name, shape)
        while (data := self._shelf.get(key)) is None:
            under_way = self._being_made.get(key)
            if under_way is not None:
                await under_way.wait()
                continue
            done = self._being_made[key] = trio.Event()
            try:
                with self._frame.recorder.internal(request.trace, "media.paint") as attributes:
                    data = await trio.to_thread.run_sync(draw, name, shape, limiter=self._painters)
                    attributes["edge.bytes"] = len(data)
                self._shelf.put(key, data)
            finally:
                del self._being_made[key]
                done.set()
            return data
        request.attributes["edge.media.kept"] = True
        return data
