"""Which line wins, and that it costs the same among ten thousand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.common.config import RouteConfig
from edge.l7.request import Request
from edge.l7.stages.route_table import MEMO_ENTRIES_MAX, RouteTable, make_route, upstream_path


def request(path: str, host: str = "i.edge.test", method: str = "GET", **headers: str) -> Request:
    fields = tuple((name.encode(), value.encode()) for name, value in headers.items())
    made = Request(method, path.encode(), fields, host=host)
    made.path = path
    return made


def winner(table: RouteTable, asked: Request) -> str:
    route = table.find(asked).route
    return route.name if route else ""


TABLE = RouteTable(
    (
        RouteConfig(name="default", cluster="web"),
        RouteConfig(name="regex", regex=r"/api/v\d+/.*", cluster="api"),
        RouteConfig(name="api", path="/api/*", cluster="api"),
        RouteConfig(name="feed", path="/api/v1/feed/*", cluster="feed"),
        RouteConfig(name="feeds", path="/api/v1/feed*", cluster="feed"),
        RouteConfig(name="timeline", path="/api/v1/feed/timeline/", cluster="feed"),
        RouteConfig(name="beta", path="/api/v1/feed/timeline/", header={"x-beta": "*"}, cluster="feed"),
        RouteConfig(name="urgent", regex=r".*/urgent", priority=10, cluster="api"),
        RouteConfig(name="tenant", path="/api/*", host="t.edge.test", cluster="t"),
        RouteConfig(name="any-tenant", path="/*", host="*.tenants.test", cluster="t"),
        RouteConfig(name="write", path="/write", method=("POST", "PUT"), priority=1, cluster="w"),
    )
)


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        (request("/api/v1/feed/timeline/"), "timeline"),
        (request("/api/v1/feed/timeline/", **{"x-beta": "1"}), "beta"),
        (request("/api/v1/feed/other"), "feed"),
        (request("/api/v1/feedback"), "feeds"),
        (request("/api/v2/x"), "api"),
        (request("/api/v2/urgent"), "urgent"),
        (request("/somewhere"), "default"),
        (request("/api/v1/feed/timeline/", host="t.edge.test"), "tenant"),
        (request("/x", host="t.edge.test"), "default"),
        (request("/api/x", host="a.b.tenants.test"), "any-tenant"),
        (request("/write", method="POST"), "write"),
        (request("/write", method="GET"), "default"),
    ],
)
def test_the_most_particular_line_wins(asked: Request, name: str) -> None:
    """Priority, then host, then path, then conditions, then order in the file."""
    assert winner(TABLE, asked) == name
    assert winner(TABLE, asked) == name  # again, from the memo


def test_only_the_method_was_wrong() -> None:
    """405 with Allow is a better answer than 404 (RFC 9110 section 15.5.6)."""
    table = RouteTable((RouteConfig(path="/x", method=("POST",), cluster="c"),))

    choice = table.find(request("/x"))

    assert choice.route is None
    assert choice.allow == {"POST"}
    assert table.find(request("/y")).allow == frozenset()


_PATHS = st.sampled_from(["", "/", "/a", "/a/", "/a/b", "/a/b/c", "/*", "/a*", "/a/*", "/a/b*", "/a/b/*"])
_ROUTES = st.lists(
    st.builds(
        RouteConfig,
        path=_PATHS,
        host=st.sampled_from(["", "h.test", "*.test", "*.h.test"]),
        method=st.sampled_from([(), ("GET",), ("POST",)]),
        priority=st.sampled_from([0, 0, 1]),
        cluster=st.just("c"),
    ),
    max_size=12,
)


def obvious(configs: list[RouteConfig], asked: Request) -> RouteConfig | None:
    """Ask every line in the documented order."""

    def host_fits(config: RouteConfig) -> bool:
        if config.host.startswith("*"):
            return asked.host.endswith(config.host[1:])
        return config.host in ("", asked.host)

    def path_fits(config: RouteConfig) -> bool:
        if config.path.endswith("*"):
            return asked.path.startswith(config.path[:-1])
        return config.path in ("", asked.path)

    fitting = [
        (
            -config.priority,
            0 if config.host == asked.host else 1 if config.host else 2,
            -len(config.host) if config.host.startswith("*") else 0,
            0 if config.path == asked.path else 1 if config.path else 2,
            -len(config.path),
            -bool(config.method),
            number,
        )
        for number, config in enumerate(configs)
        if host_fits(config) and path_fits(config) and (not config.method or asked.method in config.method)
    ]
    return configs[min(fitting)[-1]] if fitting else None


@given(
    _ROUTES,
    st.sampled_from(["/", "/a", "/a/", "/ab", "/a/b", "/a/bc", "/a/b/c/d", "/x"]),
    st.sampled_from(["h.test", "x.h.test", "other.example", ""]),
)
def test_the_table_agrees_with_a_walk_over_all_lines(
    configs: list[RouteConfig], path: str, host: str
) -> None:
    """The indexes are a shortcut and nothing else."""
    asked = request(path, host=host)

    route = RouteTable(tuple(configs)).find(asked).route

    expected = obvious(configs, asked)
    assert (route.config if route else None) is expected


def test_ten_thousand_routes_are_not_asked_one_by_one() -> None:
    """The number of candidates is that of the lines which fit, however long the table is."""
    many = tuple(RouteConfig(name=f"r{n}", path=f"/r{n}/*", cluster="c") for n in range(10_000))
    table = RouteTable((*many, RouteConfig(name="default", cluster="c")))

    found = table.candidates("i.edge.test", "/r5000/x")

    assert [line.route.name for line in found] == ["r5000", "default"]


def test_the_memo_is_bounded() -> None:
    """A scanner with a new path each time costs no memory."""
    for number in range(MEMO_ENTRIES_MAX + 10):
        TABLE.candidates("h", f"/{number}")

    assert len(TABLE._memo) <= MEMO_ENTRIES_MAX


@pytest.mark.parametrize(
    ("path", "rewrite", "asked", "seen"),
    [
        ("/app/*", None, "/app/x", "/app/x"),
        ("/app/*", "/", "/app/x/y", "/x/y"),
        ("/app/*", "/v2", "/app/x", "/v2/x"),
        ("/app/*", "/v2/", "/app/", "/v2/"),
        ("/app*", "/v2", "/apple", "/v2le"),
    ],
)
def test_a_prefix_is_rewritten(path: str, rewrite: str | None, asked: str, seen: str) -> None:
    """A service that lives at the root can be mounted anywhere."""
    route = make_route(RouteConfig(path=path, rewrite_prefix=rewrite, cluster="c"))

    assert upstream_path(route, asked) == seen
