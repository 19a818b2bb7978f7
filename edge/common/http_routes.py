"""Which handler does this request belong to?

Patterns are written as a person writes a path, `/api/v1/users/{id}/info/`; a
brace takes exactly one segment.  A trailing slash more or less makes no
difference, because Instagram's own paths have one and people forget it.  Paths
without a brace are one dict look-up; the others are grouped by their number of
segments, so a look-up compares with the few that could fit.

HEAD is answered by GET's handler (the server leaves the body away), OPTIONS and
405 say what is allowed (RFC 9110 sections 9.3.7 and 15.5.6).
"""

from dataclasses import dataclass, field

from edge.common.http_messages import Handler, HttpRequest, HttpResponse, Refusal


@dataclass(slots=True)
class _Route:
    pattern: str
    segments: tuple[str, ...]
    handlers: dict[str, Handler] = field(default_factory=dict)

    def match(self, segments: list[str]) -> dict[str, str] | None:
        parameters: dict[str, str] = {}
        for wanted, given in zip(self.segments, segments, strict=True):
            if wanted.startswith("{"):
                if not given:
                    return None
                parameters[wanted[1:-1]] = given
            elif wanted != given:
                return None
        return parameters


class Routes:
    """A service's table of paths; itself a handler."""

    def __init__(self) -> None:
        self._exact: dict[str, _Route] = {}
        self._by_length: dict[int, list[_Route]] = {}

    def add(self, method: str, pattern: str, handler: Handler) -> None:
        """Send `method` (GET brings HEAD with it) on `pattern` to `handler`."""
        key = pattern.rstrip("/")
        segments = tuple(key.split("/"))
        if "{" not in pattern:
            route = self._exact.setdefault(key, _Route(pattern, segments))
        else:
            siblings = self._by_length.setdefault(len(segments), [])
            route = next((known for known in siblings if known.pattern == pattern), _Route(pattern, segments))
            if route not in siblings:
                siblings.append(route)
        assert method not in route.handlers, f"{method} {pattern} has a handler already"
        route.handlers[method] = handler
        if method == "GET":
            route.handlers.setdefault("HEAD", handler)

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        """Let the handler answer; 404 and 405 are `Refusal`s."""
        return await self.find(request)(request)

    def find(self, request: HttpRequest) -> Handler:
        """The handler for `request`, whose `route` and `parameters` are filled in."""
        key = request.path.rstrip("/")
        route = self._exact.get(key)
        if route is None:
            segments = key.split("/")
            for candidate in self._by_length.get(len(segments), ()):
                parameters = candidate.match(segments)
                if parameters is not None:
                    route, request.parameters = candidate, parameters
                    break
        if route is None:
            raise Refusal(404, "not-found", f"nothing lives at {request.path[:200]}")
        request.route = route.pattern
        handler = route.handlers.get(request.method)
        if handler is not None:
            return handler
        allowed = ", ".join(sorted({*route.handlers, "OPTIONS"})).encode()
        if request.method == "OPTIONS":
            return _options(allowed)
        raise Refusal(
            405, "method-not-allowed", f"{request.method} is not for {route.pattern}", ((b"allow", allowed),)
        )


def _options(allowed: bytes) -> Handler:
    async def answer(request: HttpRequest) -> HttpResponse:
        return HttpResponse(204, headers=((b"allow", allowed),))

    return answer
