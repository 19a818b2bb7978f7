"""Where does this request go, and under which rules?

The stage asks the table and notes the route in the request.  Some routes are
answers themselves: a redirect or a canned answer needs no service.  It runs
before the WAF and before auth because both are set per route; what it decides
depends on nothing but the head of the request.

What fits no line is shown to the WAF before it is answered 404 (or 405): scanners ask
for little else, and who asks for `/.env` or `/?q=<script>` a thousand times is to be
found, counted and banned like any other attacker.
"""

import math
from collections.abc import Callable
from urllib.parse import quote

from edge.common.config import RouteConfig, WafConfig
from edge.l7.request import Request
from edge.l7.route import Route
from edge.l7.stages.route_table import NO_ANSWERS, RouteTable
from edge.l7.verdict import CONTINUE, Answer, Verdict

_NO_ROUTE = Answer(
    status=404, reason="NR", detail="There is nothing here.", why="route: no line of the table fits"
)
# RFC 9110 section 9.3.7: a server-wide OPTIONS is a "ping"; what each resource allows is not ours to say.
_PONG = Answer(
    status=204, reason="CANNED", body=b"", content_type=b"", why="route: OPTIONS * asks the edge itself"
)


class RouteStage:
    """The second stage: fills in `request.route`, or answers 404, 405, a redirect or a canned answer.

    `inspect`: what the WAF says about a request without a route.
    """

    __slots__ = ("_canned", "_inspect", "table")

    def __init__(
        self,
        configs: tuple[RouteConfig, ...],
        waf: WafConfig = NO_ANSWERS,
        inspect: Callable[[Request, float, float], Verdict] = lambda request, now, unix_now: CONTINUE,
    ) -> None:
        self._inspect = inspect
        self.table = RouteTable(configs, waf)
        self._canned: dict[Route, Answer] = {}
        self._prepare()

    def reload(self, configs: tuple[RouteConfig, ...], waf: WafConfig = NO_ANSWERS) -> None:
        """Use another table from the next request on; those under way keep their route."""
        self.table = RouteTable(configs, waf)
        self._prepare()

    def __call__(self, request: Request, now: float, unix_now: float) -> Verdict:
        """Find the route."""
        if request.path == "*":
            return _PONG
        choice = self.table.find(request)
        route = choice.route
        if route is None:
            refused = self._inspect(request, now, unix_now)
            return refused or (_not_allowed(choice.allow) if choice.allow else _NO_ROUTE)
        request.route = route
        if route.cluster or route.config.split:
            return CONTINUE
        if route.config.redirect:
            return _redirected(route, request)
        return self._canned[route]

    def same_until(self, request: Request) -> float:
        """It asks nothing but the head, and rarely for what differs each time."""
        return 0.0 if self.table.asks_trace else math.inf

    def _prepare(self) -> None:
        self._canned = {
            line.route: _canned(line.route) for line in self.table.lines if line.route.config.respond_status
        }


def _not_allowed(methods: frozenset[str]) -> Answer:
    allow = ", ".join(sorted(methods))
    return Answer(
        status=405,
        reason="NR",
        detail=f"This resource allows {allow}.",
        why="route: the path fits, the method does not",
        headers=((b"allow", allow.encode()),),
    )


def _redirected(route: Route, request: Request) -> Answer:
    # `{path}` and `{query}` come from the phone; both were checked by normalise, and quoting
    # again what is no URI character keeps CR and LF out whatever happens there.
    path = quote(request.path, safe="/%!$&'()*+,;=:@~-._")
    query = quote(request.query.decode("latin-1"), safe="/%!$&'()*+,;=:@~-._?")
    location = route.config.redirect.replace("{path}", path).replace("{query}", "?" + query if query else "")
    # 308 and not 301: a POST stays a POST (RFC 9110 section 15.4.9).
    return Answer(
        status=308,
        reason="REDIRECT",
        why=f"route {route.name} redirects",
        headers=((b"location", location.encode()),),
        body=b"",
        content_type=b"",
    )


def _canned(route: Route) -> Answer:
    config = route.config
    why = f"route {route.name} answers by itself"
    if not config.respond_body and config.respond_status >= 400:
        return Answer(status=config.respond_status, reason="CANNED", why=why)
    types = [value for name, value in config.set_response_headers.items() if name.lower() == "content-type"]
    return Answer(
        status=config.respond_status,
        reason="CANNED",
        why=why,
        body=config.respond_body.encode(),
        content_type=types[0].encode() if types else b"text/plain; charset=utf-8",
    )
