"""The stage around the table: not found, not allowed, redirects, canned answers."""

from edge.common.config import RouteConfig
from edge.l7.request import Request
from edge.l7.stages.normalise import Normalise
from edge.l7.stages.route import RouteStage
from edge.l7.verdict import Answer, Wait

STAGE = RouteStage(
    (
        RouteConfig(name="feed", path="/feed", method=("GET",), cluster="feed"),
        RouteConfig(name="old", path="/old/*", redirect="https://new.edge.test{path}{query}"),
        RouteConfig(name="robots", path="/robots.txt", respond_status=200, respond_body="User-agent: *\n"),
        RouteConfig(name="gone", path="/gone", respond_status=410),
        RouteConfig(name="canary", path="/canary", split={"a": 1, "b": 1}),
    )
)


def ask(target: bytes, method: str = "GET", stage: RouteStage = STAGE) -> tuple[Request, Answer | None]:
    request = Request(method, target, (), host="i.edge.test")
    assert Normalise()(request, 0.0, 0.0) is None
    verdict = stage(request, 0.0, 0.0)
    assert not isinstance(verdict, Wait)
    return request, verdict


def test_a_route_with_a_cluster_passes_and_is_noted() -> None:
    """The stages behind it need its policies."""
    request, answer = ask(b"/feed")

    assert answer is None
    assert request.route is not None
    assert request.route.name == "feed"
    assert ask(b"/canary")[1] is None


def test_nothing_there_is_404_and_a_wrong_method_405_with_allow() -> None:
    """RFC 9110 section 15.5.6: Allow is a MUST on 405."""
    nothing = ask(b"/nothing")[1]
    wrong = ask(b"/feed", "POST")[1]

    assert nothing is not None
    assert nothing.status == 404
    assert wrong is not None
    assert (wrong.status, wrong.headers) == (405, ((b"allow", b"GET, HEAD"),))


def test_a_redirect_keeps_path_and_query_and_no_header_can_be_smuggled() -> None:
    """308 keeps the method; the phone's text cannot break the field."""
    moved = ask(b"/old/a%0d%0aSet-Cookie:x?q=1")[1]
    without_query = ask(b"/old/")[1]

    assert moved is not None
    assert moved.status == 308
    assert moved.headers == ((b"location", b"https://new.edge.test/old/a%0D%0ASet-Cookie:x?q=1"),)
    assert without_query is not None
    assert without_query.headers == ((b"location", b"https://new.edge.test/old/"),)


def test_canned_answers_need_no_service() -> None:
    """Bytes from the configuration, or problem+json where only a status is given."""
    robots = ask(b"/robots.txt")[1]
    gone = ask(b"/gone")[1]

    assert robots is not None
    assert (robots.status, robots.body) == (200, b"User-agent: *\n")
    assert gone is not None
    assert (gone.status, gone.body) == (410, None)


def test_options_for_the_server_as_a_whole_is_answered_here() -> None:
    """It names no resource, so no route can fit."""
    answer = ask(b"*", "OPTIONS")[1]

    assert answer is not None
    assert answer.status == 204


def test_a_new_table_holds_from_the_next_request_on() -> None:
    """A reload takes nothing away from those under way."""
    stage = RouteStage((RouteConfig(path="/a", cluster="old"),))
    request = Request("GET", b"/a", ())
    request.path = "/a"
    stage(request, 0.0, 0.0)
    before = request.route

    stage.reload((RouteConfig(path="/a", cluster="new"),))
    stage(request, 0.0, 0.0)

    assert before is not None
    assert before.cluster == "old"
    assert request.route is not None
    assert request.route.cluster == "new"


def test_what_no_route_wants_is_shown_to_the_firewall_first() -> None:
    """Scanners ask for what is not there; without this nobody would ever be banned for it."""
    refusal = Answer(status=403, reason="WAF")
    asked: list[str] = []

    def inspect(request: Request, now: float, unix_now: float) -> Answer | None:
        asked.append(request.path)
        return refusal if "env" in request.path else None

    routes = (RouteConfig(path="/a", cluster="a"), RouteConfig(path="/b", cluster="b", method=("GET",)))
    stage = RouteStage(routes, inspect=inspect)

    answers = [
        ask(b"/.env", stage=stage),
        ask(b"/x", stage=stage),
        ask(b"/b", "POST", stage),
        ask(b"/a", stage=stage),
    ]

    assert [answer and answer.status for _, answer in answers] == [403, 404, 405, None]
    assert asked == ["/.env", "/x", "/b"], "what has a route meets the firewall in its own place"
