"""recommend: people you may know.  [I/O]"""

from functools import lru_cache

from edge.common.http_messages import HttpRequest, HttpResponse, json_response
from edge.common.http_routes import Routes
from edge.common.process import Process
from services.frame import Frame, serve_routes
from services.graph import Graph
from services.profile import profile
from services.recommend.acquaintances import acquaintances

WORK_MS = 3.0
SUGGESTIONS = 3
# The graph does not change, so an answer is good for ever; this is about 1 MB.
REMEMBERED_MAX = 4096


async def serve(process: Process) -> None:
    """Suggest people until drained."""
    frame = Frame(process, work_ms=WORK_MS)
    graph = Graph(frame.seed, frame.accounts)

    @lru_cache(maxsize=REMEMBERED_MAX)
    def suggestions(account: int) -> tuple[tuple[int, int], ...]:
        return tuple(acquaintances(graph, account, SUGGESTIONS))

    async def suggest(request: HttpRequest) -> HttpResponse:
        account = request.signed_in()
        await frame.work(request)
        users = [
            {"user": profile(other), "social_context": f"{common} friends in common"}
            for other, common in suggestions(account)
        ]
        return json_response({"suggestions": users, "status": "ok"})

    routes = Routes()
    routes.add("GET", "/internal/suggestions/", suggest)
    routes.add("GET", "/api/v1/discover/ayml/", suggest)
    await serve_routes(frame, routes)
