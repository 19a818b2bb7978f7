"""Who may ask what only internal callers may."""

import pytest

from edge.common.config import RouteConfig
from edge.l7.request import Request
from edge.l7.stages.caller import Callers, are_asked
from edge.l7.stages.route_table import make_route
from edge.l7.verdict import CONTINUE, Answer

OPEN = RouteConfig(path="/feed", cluster="feed")
CLOSED = RouteConfig(path="/internal/*", cluster="feed", callers=("reports", "batch-*"))


def ask(config: RouteConfig, caller: str) -> tuple[Answer | None, Request]:
    request = Request("GET", b"/internal/x", (), caller=caller)
    request.route = make_route(config)
    return Callers()(request, 0.0, 0.0), request


@pytest.mark.parametrize("caller", ["reports", "batch-7"])
def test_a_known_caller_passes_and_the_service_hears_its_name(caller: str) -> None:
    """From the edge, which alone can write this field."""
    verdict, request = ask(CLOSED, caller)

    assert verdict is CONTINUE
    assert request.upstream_lines == b"edge-caller: %b\r\n" % caller.encode()
    assert [stage for stage, _, _ in request.why] == ["caller"]


@pytest.mark.parametrize(
    ("caller", "why"),
    [
        ("", "a certificate of an internal caller is needed, none was presented"),
        ("report", "report is none of reports, batch-*"),
        ("reports2", "reports2 is none of reports, batch-*"),
    ],
)
def test_everybody_else_is_told_no_and_the_log_why(caller: str, why: str) -> None:
    """403 and not 401: nothing that could be sent on this connection would help."""
    verdict, request = ask(CLOSED, caller)

    assert isinstance(verdict, Answer)
    assert (verdict.status, verdict.reason, verdict.why) == (403, "AUTH", f"caller: {why}")
    assert request.upstream_lines == b""


def test_any_certificate_of_our_authority_will_do_for_a_star() -> None:
    """The way to say "internal" without a list of names."""
    config = RouteConfig(path="/x", cluster="feed", callers=("*",))

    assert ask(config, "anything")[0] is CONTINUE
    assert ask(config, "")[0] is not CONTINUE


def test_a_route_without_callers_looks_at_nothing() -> None:
    """Nor is it told who calls: the name is for those who asked for it."""
    verdict, request = ask(OPEN, "reports")

    assert verdict is CONTINUE
    assert request.upstream_lines == b""
    assert (are_asked([OPEN]), are_asked([OPEN, CLOSED])) == (False, True)
