"""A service's table of paths."""

import pytest

from edge.common.http_messages import HttpRequest, HttpResponse, Refusal
from edge.common.http_routes import Routes
from tests.kit.services import request


def answering(status: int) -> Routes:
    async def handler(asked: HttpRequest) -> HttpResponse:
        return HttpResponse(status)

    routes = Routes()
    routes.add("GET", "/users/{id}/info/", handler)
    routes.add("POST", "/users/{id}/info/", handler)
    routes.add("GET", "/users/me/info/", handler)
    return routes


async def test_a_brace_takes_one_segment_and_the_pattern_becomes_the_route() -> None:
    """Spans and metrics are labelled by pattern, never by what a phone sent."""
    asked = request("GET", "/users/7/info")

    await answering(200)(asked)

    assert asked.parameters == {"id": "7"}
    assert asked.route == "/users/{id}/info/"


async def test_a_path_without_brace_wins() -> None:
    """`me` is not an id."""
    asked = request("GET", "/users/me/info/")

    await answering(200)(asked)

    assert asked.route == "/users/me/info/"


@pytest.mark.parametrize("path", ["/", "/users/7", "/users//info/", "/users/7/info/more", "/USERS/7/info"])
async def test_an_unknown_path_is_404(path: str) -> None:
    """An empty segment is not an id either."""
    with pytest.raises(Refusal) as refusal:
        await answering(200)(request("GET", path))

    assert refusal.value.status == 404


async def test_a_known_path_with_another_method_says_what_is_allowed() -> None:
    """RFC 9110 section 15.5.6: a 405 carries Allow."""
    with pytest.raises(Refusal) as refusal:
        await answering(200)(request("DELETE", "/users/7/info/"))

    assert refusal.value.status == 405
    assert refusal.value.headers == ((b"allow", b"GET, HEAD, OPTIONS, POST"),)


async def test_head_and_options_are_answered_without_being_written() -> None:
    """HEAD is GET without the body; OPTIONS is the table itself."""
    routes = answering(203)

    head = await routes(request("HEAD", "/users/7/info/"))
    options = await routes(request("OPTIONS", "/users/me/info/"))

    assert head.status == 203
    assert options.status == 204
    assert options.headers == ((b"allow", b"GET, HEAD, OPTIONS"),)
