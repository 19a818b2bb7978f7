"""What would do nothing is refused, with its place."""

import pytest

from edge.common.config_check_idle import idle
from edge.common.config_file import parse
from tests.common.test_config_check import GOOD, POP, problems_of

ROUTE = '[[route]]\npath = "/x"\n'
SHADOW = '[[cluster]]\nname = "shadow"\nendpoints = ["127.0.0.1:9"]\n'
HEDGED = '[[cluster]]\nname = "two"\nendpoints = ["127.0.0.1:8", "127.0.0.1:9"]\n'
CASES = [
    (ROUTE + 'respond-status = 200\nauth = "required"\n', "auth: does nothing beside respond-status"),
    (ROUTE + 'redirect = "/y"\ncallers = ["*"]\n', "callers: does nothing beside redirect"),
    (ROUTE + 'redirect = "/y"\nlimits = ["source"]\n', "limits: does nothing beside redirect"),
    (ROUTE + 'redirect = "/y"\nmirror = { cluster = "feed" }\n', "mirror: does nothing beside redirect"),
    (ROUTE + 'cluster = "feed"\ncache-cookies = true\n', "does nothing without cache"),
    (ROUTE + 'cluster = "feed"\ncache = true\ncallers = ["a"]\n', "cannot be cached for everybody"),
    (ROUTE + 'cluster = "feed"\ncallers = [""]\n', "is no name of a caller"),
    (ROUTE + 'cluster = "feed"\nmirror = { cluster = "shdow" }\n' + SHADOW, 'did you mean "shadow"?'),
    (ROUTE + 'cluster = "feed"\nmirror = { share = 0.5 }\n', "names no cluster"),
    (ROUTE + 'cluster = "feed"\nmirror = { cluster = "feed" }\n', "would send each request to feed twice"),
    (ROUTE + 'cluster = "feed"\nmirror = { cluster = "shadow", share = 0 }\n' + SHADOW, "share of 0"),
    (ROUTE + 'cluster = "feed"\nmirror = { cluster = "shadow", share = 2 }\n' + SHADOW, "2 is not"),
    (SHADOW + 'hash-on = "path"\n', 'does nothing with balance = "two-choices"'),
    (SHADOW + "hedge = { after-ms = 20 }\n", "needs a second copy"),
    (HEDGED + "hedge = { after-ms = 6000 }\n", "comes after the try has ended"),
    (HEDGED + "hedge = { after-ms = 20 }\nretry = { attempts = 0 }\n", "retry.attempts = 0 forbids"),
    (HEDGED + "hedge = { quantile = 1.0 }\n", "1.0 is not"),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_each_key_that_would_do_nothing_is_named(text: str, expected: str) -> None:
    """Somebody who wrote it believes in it."""
    problems = problems_of(POP + GOOD + text)

    assert any(expected in problem for problem in problems), problems
    assert len(problems) == 1
    assert problems[0].startswith("edge.toml:")


@pytest.mark.parametrize(
    "text",
    [
        ROUTE + 'respond-status = 200\nrespond-body = "x"\nlimits = []\n',
        ROUTE
        + 'cluster = "feed"\nmirror = { cluster = "shadow", share = 0.5 }\ncallers = ["a-*"]\n'
        + SHADOW,
        HEDGED + "hedge = { quantile = 0.95, after-ms = 5 }\n",
    ],
)
def test_what_does_something_is_taken(text: str) -> None:
    """A check that is too strict is switched off by those it bothers."""
    assert problems_of(POP + GOOD + text) == []
    assert list(idle(parse(POP + GOOD + text, "edge.toml", {}).config)) == []
