"""Does this request fulfil what a route asks of it besides its path?

Methods, headers, cookies and query parameters, all of which must agree.  What a
value in the configuration means:

    "mumbai"      exactly this
    "*"           present, with any value
    "beta-*"      begins so
    "~[0-9]+"     this RE2 expression, over the whole value

The outcome names the first thing that did not fit, for `edge explain`.
"""

from collections.abc import Callable
from urllib.parse import parse_qsl

import re2

from edge.common.config import RouteConfig
from edge.l7.request import Request

Fits = Callable[[str], bool]

# More parameters than this are nothing that a route would look at.
QUERY_PARAMETERS_MAX = 256


def value_test(pattern: str) -> Fits:
    """The test that `pattern` stands for."""
    if pattern == "*":
        return lambda value: True
    if pattern.startswith("~"):
        expression = re2.compile(pattern[1:])
        return lambda value: expression.fullmatch(value) is not None
    if pattern.endswith("*"):
        start = pattern[:-1]
        return lambda value: value.startswith(start)
    return lambda value: value == pattern


class Match:
    """Everything one route asks for besides host and path."""

    __slots__ = ("_cookies", "_headers", "_query", "methods")

    def __init__(self, config: RouteConfig) -> None:
        # RFC 9110 section 9.3.2: whoever allows GET allows HEAD.
        methods = set(config.method)
        self.methods = frozenset(methods | {"HEAD"} if "GET" in methods else methods)
        self._headers = [
            (name.lower().encode(), value_test(value), f"header {name}: {value}")
            for name, value in config.header.items()
        ]
        self._cookies = [(name, value_test(value), value) for name, value in config.cookie.items()]
        self._query = [(name, value_test(value), value) for name, value in config.query.items()]

    def asks_nothing(self) -> bool:
        """Does every request with the right host and path fit?"""
        return not (self.methods or self._headers or self._cookies or self._query)

    def count(self) -> int:
        """How particular it is: a route that asks for more stands before one that asks for less."""
        return bool(self.methods) + len(self._headers) + len(self._cookies) + len(self._query)

    def misfit(self, request: Request) -> str:
        """What does not fit, the method last; "" if all does."""
        for header, fits, text in self._headers:
            value = request.header(header)
            if value is None or not fits(value.decode("latin-1")):
                return text
        for name, fits, wanted in self._cookies:
            cookie = request.cookies().get(name)
            if cookie is None or not fits(cookie):
                return f"cookie {name}={wanted}"
        if self._query:
            parameters = query_parameters(request.query)
            for name, fits, wanted in self._query:
                parameter = parameters.get(name)
                if parameter is None or not fits(parameter):
                    return f"query {name}={wanted}"
        if self.methods and request.method not in self.methods:
            return "method"
        return ""


def query_parameters(query: bytes) -> dict[str, str]:
    """Name to decoded value; of two with one name the first counts, and of too many none does."""
    try:
        pairs = parse_qsl(
            query.decode("latin-1"), keep_blank_values=True, max_num_fields=QUERY_PARAMETERS_MAX
        )
    except ValueError:
        return {}
    found: dict[str, str] = {}
    for name, value in pairs:
        found.setdefault(name, value)
    return found
