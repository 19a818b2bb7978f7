"""Is this an internal caller that the route knows?

A route with `callers` serves only who proved by a client certificate, in the TLS
handshake, to be one of them (mutual TLS).  The certificate is asked for while any
route of the table wants one, and only then: a browser that is asked may bother its
user with a choice.  Who has none can still use every other route, so the handshake
goes on without one and it is this stage that says 403; a certificate that is
*bad* ends the handshake with an alert, before any route is known.

The name is the subject's common name.  It goes to the service as `Edge-Caller`,
which like all `Edge-*` fields never comes from outside.

The stage is in the pipeline only where some route has `callers`.
"""

from collections.abc import Callable, Iterable, Sequence

from edge.common.config import RouteConfig
from edge.l7.request import Request
from edge.l7.route import Route
from edge.l7.stages.route_match import value_test
from edge.l7.verdict import CONTINUE, Answer


def are_asked(routes: Iterable[RouteConfig]) -> bool:
    """Does any route want a certificate?"""
    return any(route.callers for route in routes)


class Callers:
    """The stage: lets known callers pass, answers 403 to everybody else."""

    def __init__(self) -> None:
        self._tests: dict[Route, Sequence[Callable[[str], bool]]] = {}

    def reload(self) -> None:
        """The routes are new; what was made for the old ones goes with them."""
        self._tests = {}

    def __call__(self, request: Request, now: float, unix_now: float) -> Answer | None:
        """Compare the proven name with those of the route."""
        route = request.route
        if route is None or not route.config.callers:
            return CONTINUE
        name = request.caller
        if not name:
            return _refusal("a certificate of an internal caller is needed, none was presented")
        tests = self._tests.get(route)
        if tests is None:
            tests = self._tests[route] = [value_test(pattern) for pattern in route.config.callers]
        if not any(fits(name) for fits in tests):
            return _refusal(f"{name} is none of {', '.join(route.config.callers)}")
        request.note("caller", "%s, by its certificate", name)
        request.upstream_lines += b"edge-caller: %b\r\n" % name.encode()
        return CONTINUE


def _refusal(why: str) -> Answer:
    return Answer(
        status=403,
        reason="AUTH",
        detail="Only known internal callers may ask for this, with a certificate that names them.",
        why=f"caller: {why}",
    )
