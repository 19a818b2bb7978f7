"""What a route may ask of a request besides its path."""

import pytest

from edge.common.config import RouteConfig
from edge.l7.request import Request
from edge.l7.stages.route_match import QUERY_PARAMETERS_MAX, Match, query_parameters, value_test


@pytest.mark.parametrize(
    ("pattern", "value", "fits"),
    [
        ("mumbai", "mumbai", True),
        ("mumbai", "mumbai-2", False),
        ("*", "", True),
        ("beta-*", "beta-7", True),
        ("beta-*", "alpha", False),
        ("~[0-9]+", "42", True),
        ("~[0-9]+", "42a", False),
    ],
)
def test_a_pattern_means_what_the_configuration_says(pattern: str, value: str, fits: bool) -> None:
    """Exactly, present, begins so, RE2 over the whole value."""
    assert value_test(pattern)(value) is fits


def request(method: str = "GET", query: bytes = b"", **headers: str) -> Request:
    made = Request(method, b"/", tuple((name.encode(), value.encode()) for name, value in headers.items()))
    made.path, made.query = "/", query
    return made


def test_all_conditions_have_to_hold_and_the_first_misfit_is_named() -> None:
    """`edge explain` shows the reason, so it has to be the real one."""
    match = Match(
        RouteConfig(
            method=("POST",), header={"X-Beta": "1"}, cookie={"lang": "hi"}, query={"page": "~[0-9]+"}
        )
    )

    assert match.misfit(request("POST", b"page=2", **{"x-beta": "1", "cookie": "lang=hi"})) == ""
    assert match.misfit(request("POST", b"page=2", cookie="lang=hi")) == "header X-Beta: 1"
    assert match.misfit(request("POST", b"page=2", **{"x-beta": "1"})) == "cookie lang=hi"
    assert match.misfit(request("POST", b"page=x", **{"x-beta": "1", "cookie": "lang=hi"})) == (
        "query page=~[0-9]+"
    )
    assert match.misfit(request("GET", b"page=2", **{"x-beta": "1", "cookie": "lang=hi"})) == "method"


def test_whoever_allows_get_allows_head() -> None:
    """RFC 9110 section 9.3.2."""
    assert Match(RouteConfig(method=("GET",))).misfit(request("HEAD")) == ""


def test_a_route_without_conditions_says_so() -> None:
    """Such a line is taken without a look at the request."""
    assert Match(RouteConfig(path="/")).asks_nothing()
    assert not Match(RouteConfig(method=("GET",))).asks_nothing()


def test_parameters_are_decoded_and_bounded() -> None:
    """A query of a thousand parameters isn't worth a thousand dict entries."""
    assert query_parameters(b"a=%41&b=&a=2") == {"a": "A", "b": ""}
    assert query_parameters(b"&".join(b"x%d=1" % n for n in range(QUERY_PARAMETERS_MAX + 1))) == {}
