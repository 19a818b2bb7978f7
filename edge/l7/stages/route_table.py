"""Which line of the routing table is this request for?

The order in which lines are asked, first to last (as in the Kubernetes Gateway
API, with the operator's `priority` before everything):

    higher priority · exact host, longer wildcard host, any host ·
    exact path, longer prefix, regex, no path · more conditions · earlier in the file

That order is total and is computed once; each line gets its rank in it.  A
look-up collects the lines whose host and path fit from a few indexes
(`edge.l7.stages.route_index`), so 10,000 lines cost what 10 cost, and takes the
first whose other conditions fit as well.

State: never changed after it is built.  One memo of the last few thousand
(host, path) pairs and their candidates.
"""

from dataclasses import dataclass
from typing import Final

from edge.common.config import RouteConfig, WafConfig
from edge.l7.request import Request
from edge.l7.route import Route
from edge.l7.stages.route_index import PathIndex
from edge.l7.stages.route_match import Match

# About 300 bytes each, short paths only: two megabytes at most.
MEMO_ENTRIES_MAX: Final = 4096
MEMO_PATH_CHARACTERS_MAX: Final = 256

NO_ANSWERS: Final = WafConfig()


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table, ready to be asked."""

    rank: int
    route: Route
    match: Match
    plain: bool  # asks for nothing besides host and path
    choice: "Choice"  # of this line; made once, since it is asked for with every request


@dataclass(frozen=True, slots=True)
class Choice:
    """What a look-up found: the route, or the methods that would have fitted (405), or neither (404)."""

    route: Route | None
    allow: frozenset[str] = frozenset()


_NOTHING: Final = Choice(None)


class RouteTable:
    """All lines of one configuration."""

    def __init__(self, configs: tuple[RouteConfig, ...], waf: WafConfig = NO_ANSWERS) -> None:
        """`waf`: what holds where a line says nothing itself."""
        order = sorted(range(len(configs)), key=lambda number: _order(configs[number], number))
        self.lines: list[Line] = []
        self._hosts: dict[str, PathIndex[Line]] = {}
        self._wildcards: dict[str, PathIndex[Line]] = {}
        self._any: PathIndex[Line] = PathIndex()
        self._memo: dict[tuple[str, str], list[Line]] = {}
        for rank, number in enumerate(order):
            config = configs[number]
            match = Match(config)
            route = make_route(config, waf)
            line = Line(rank, route, match, match.asks_nothing(), Choice(route))
            self.lines.append(line)
            _add(self._index_of(config.host.lower()), config, line)
        # Does a line ask for the one field that is cut out of a head before it is looked up in memory?
        self.asks_trace = any("traceparent" in map(str.lower, config.header) for config in configs)
        for index in (self._any, *self._hosts.values(), *self._wildcards.values()):
            index.build()

    def find(self, request: Request) -> Choice:
        """The first line that fits `request`."""
        allow: frozenset[str] = frozenset()
        for line in self.candidates(request.host, request.path):
            misfit = "" if line.plain else line.match.misfit(request)
            if not misfit:
                return line.choice
            if misfit == "method":
                allow |= line.match.methods
        return Choice(None, allow) if allow else _NOTHING

    def candidates(self, host: str, path: str) -> list[Line]:
        """The lines whose host and path fit, best first."""
        key = (host, path)
        known = self._memo.get(key)
        if known is not None:
            return known
        found = self._any.find(path)
        if self._hosts or self._wildcards:
            for index in self._indexes_for(host):
                found = found + index.find(path)
            found.sort(key=lambda line: line.rank)
        if len(path) + len(host) <= MEMO_PATH_CHARACTERS_MAX:
            if len(self._memo) >= MEMO_ENTRIES_MAX:
                self._memo.clear()
            self._memo[key] = found
        return found

    def explain(self, request: Request) -> list[tuple[Route, str]]:
        """Every line whose host and path fit, and what did not fit ("" fits), in the order they are asked."""
        return [
            (line.route, line.match.misfit(request)) for line in self.candidates(request.host, request.path)
        ]

    def _indexes_for(self, host: str) -> list[PathIndex[Line]]:
        found = [self._hosts[host]] if host in self._hosts else []
        if self._wildcards:
            labels = host.split(".")
            suffixes = (".".join(labels[depth:]) for depth in range(1, len(labels)))
            found += [self._wildcards[suffix] for suffix in suffixes if suffix in self._wildcards]
        return found

    def _index_of(self, host: str) -> PathIndex[Line]:
        if not host or host == "*":
            return self._any
        if host.startswith("*."):
            return self._wildcards.setdefault(host[2:], PathIndex())
        return self._hosts.setdefault(host, PathIndex())


def _order(config: RouteConfig, number: int) -> tuple[int, ...]:
    host = 0 if config.host in ("", "*") else 1000 + len(config.host)
    if config.host and not config.host.startswith("*"):
        host = 100_000
    if config.regex:
        path = 1
    elif not config.path:
        path = 0
    elif config.path.endswith("*"):
        path = 1 + len(config.path)
    else:
        path = 1_000_000
    conditions = bool(config.method) + len(config.header) + len(config.cookie) + len(config.query)
    return (-config.priority, -host, -path, -conditions, number)


def _add(index: PathIndex[Line], config: RouteConfig, line: Line) -> None:
    if config.regex:
        index.add_regex(config.regex, line)
    elif not config.path:
        index.add_always(line)
    elif config.path.endswith("*"):
        index.add_prefix(config.path[:-1], line)
    else:
        index.add_exact(config.path, line)


def make_route(config: RouteConfig, waf: WafConfig = NO_ANSWERS) -> Route:
    """The compiled form of one line."""
    return Route(
        name=config.name or config.path or config.regex or config.host or "default",
        cluster=config.cluster,
        config=config,
        request_lines=_lines(config.set_request_headers),
        response_lines=_lines(config.set_response_headers),
        drop_response=frozenset(name.lower().encode() for name in config.remove_response_headers),
        mirror=config.mirror if config.mirror.cluster else None,
        reads_answers=(config.waf or waf.mode) != "off"
        and (waf.answers if config.waf_answers is None else config.waf_answers),
    )


def _lines(fields: dict[str, str]) -> bytes:
    return b"".join(f"{name}: {value}\r\n".encode() for name, value in fields.items())


def upstream_path(route: Route, path: str) -> str:
    """The path that the service sees: `rewrite-prefix` stands in for the route's own prefix."""
    prefix = route.config.rewrite_prefix
    if prefix is None:
        return path
    rest = path[len(route.config.path) - 1 :]
    # "/old/*" -> "/new" must not make "/newthing" out of "/old/thing".
    joined = prefix.rstrip("/") + "/" + rest if route.config.path.endswith("/*") else prefix + rest
    return joined if joined.startswith("/") else "/" + joined
