"""The values fit their types; do they make sense together?

One function a subject, each a generator of `Problem`s over a `Config`, so that
all of them are reported and each can be tested by itself.  Nothing here looks
at the machine: whether a port is free is `edge.common.preflight`'s question.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence

from edge.common.config import Config, LimitConfig, PopConfig, RouteConfig
from edge.common.config_build import Path, Problem, nearest
from edge.common.config_check_idle import idle
from edge.common.places import CITIES, find_city

# A drain has to be over before honcho's SIGKILL, five seconds after the first exit.
DRAIN_S_MAX = 4.5
PORT_MAX = 65535
SERVICE_HOST = "127.0.0.1"
_DNS_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)\Z")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")  # RFC 9110 section 5.6.2


def check(config: Config) -> list[Problem]:
    """Everything that does not make sense, in no particular order."""
    return [
        *_names(config),
        *_domain(config),
        *_pops(config),
        *_listeners(config),
        *_engine(config),
        *_networks(config),
        *_times(config),
        *_clusters(config),
        *_routes(config),
        *_limits(config),
        *_experiments(config),
        *idle(config),
    ]


def _names(config: Config) -> Iterator[Problem]:
    """Names are how people and processes refer to things, so each is given once."""
    arrays: dict[str, Iterable[str]] = {
        "pop": (pop.name for pop in config.pop),
        "cluster": (cluster.name for cluster in config.cluster),
        "limit": (limit.name for limit in config.limit),
        "experiment": (experiment.name for experiment in config.experiment),
        "service": (service.name for service in config.service),
    }
    for array, names in arrays.items():
        seen: set[str] = set()
        for index, name in enumerate(names):
            if name in seen:
                yield Problem((array, index, "name"), f'"{name}" is taken by an earlier {array}')
            seen.add(name)


def _domain(config: Config) -> Iterator[Problem]:
    labels = config.domain.split(".")
    if len(labels) < 2 or len(config.domain) > 253 or not all(_DNS_LABEL.match(label) for label in labels):
        yield Problem(("domain",), f'"{config.domain}" is not a host name such as "i.edge.test"')
    if not _TOKEN.match(config.auth.cookie):
        yield Problem(("auth", "cookie"), f'"{config.auth.cookie}" cannot be a cookie\'s name')


def _pops(config: Config) -> Iterator[Problem]:
    if not config.pops():
        yield Problem(("pop",), "no POP is enabled, so nothing would serve (one with enabled = true)", "pop")
    for index, pop in enumerate(config.pop):
        here: Path = ("pop", index)
        problem = _pop_address(pop)
        if problem:
            yield Problem((*here, "address"), problem)
        for tier, count in (("l4", pop.l4), ("l7", pop.l7)):
            if pop.enabled and count == 0:
                yield Problem((*here, tier), "an enabled POP needs at least one process of this tier")


def _pop_address(pop: PopConfig) -> str:
    try:
        address = ipaddress.ip_address(pop.address)
    except ValueError:
        return f'"{pop.address}" is not an IP address such as "127.0.1.1"'
    if address.is_unspecified or address.is_multicast:
        return f"{pop.address} is no address of one POP (each POP needs its own, such as 127.0.1.1)"
    if not (address.is_loopback or address.is_private):
        return f"{pop.address} is a public address; use loopback (127.0.0.0/8) or a private one"
    return ""


def _listeners(config: Config) -> Iterator[Problem]:
    """No two listeners on one address and port; port 0 means "any" and never clashes."""
    taken: dict[tuple[str, int], str] = {}
    for host, port, path, owner in _addresses(config):
        if isinstance(port, str):
            yield Problem(path, port)
        elif port > PORT_MAX:
            yield Problem(path, f"{owner} would need port {port}; the last one is {PORT_MAX}")
        elif port and (host, port) in taken:
            yield Problem(path, f"{host}:{port} is already the address of {taken[host, port]}")
        elif port:
            taken[host, port] = owner


def _addresses(config: Config) -> Iterator[tuple[str, int | str, Path, str]]:
    """Host, port (or what is wrong with it), the key that says so, and whose it is."""
    for path, address, owner in (
        (("dns", "listen"), config.dns.listen, "the DNS"),
        (("console",), config.console, "the console"),
        (("control", "listen"), config.control.listen, "the hub"),
    ):
        if address:
            host, port = _split(address)
            yield host, f'"{address}" is not "host:port"' if port is None else port, path, owner
    for index, pop in enumerate(config.pop):
        if pop.enabled:
            here: Path = ("pop", index)
            key = "https-port" if pop.https_port is not None else "address"
            yield pop.address, config.https_port_of(pop), (*here, key), f"{pop.name}'s HTTPS"
            key = "http-port" if pop.http_port is not None else "address"
            yield pop.address, config.http_port_of(pop), (*here, key), f"{pop.name}'s HTTP"
    for index, service in enumerate(config.service):
        for copy in range(service.instances if service.port else 0):
            yield SERVICE_HOST, service.port + copy, ("service", index, "port"), f"{service.name}-{copy + 1}"


def _split(address: str) -> tuple[str, int | None]:
    host, _, port = address.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > PORT_MAX:
        return host, None
    return host.strip("[]"), int(port)


def _networks(config: Config) -> Iterator[Problem]:
    written: list[tuple[Path, str]]
    written = [(("l4", "admission", "allow"), network) for network in config.l4.admission.allow]
    written += [(("l4", "proxy-from"), network) for network in config.l4.proxy_from]
    written += [(("l7", "relay-from"), network) for network in config.l7.relay_from]
    written += [(("dns", "cities", city), network) for city, network in config.dns.cities.items()]
    for city in config.dns.cities:
        if find_city(city) is None:
            yield Problem(("dns", "cities", city), f'"{city}" is no city on our map{nearest(city, CITIES)}')
    for path, network in written:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            yield Problem(path, f'"{network}" is not a network such as "203.0.113.0/28": {error}')


def _times(config: Config) -> Iterator[Problem]:
    for tier, drain_s in (("l4", config.l4.drain_s), ("l7", config.l7.drain_s)):
        if drain_s > DRAIN_S_MAX:
            yield Problem((tier, "drain-s"), f"{drain_s:g} is too long (at most {DRAIN_S_MAX:g})")
    if config.l7.target_bytes_max > config.l7.head_bytes_max:
        yield Problem(("l7", "target-bytes-max"), "is larger than head-bytes-max, which contains it")
    for index, cluster in enumerate(config.cluster):
        here: Path = ("cluster", index)
        if cluster.try_timeout_s > cluster.timeout_s:
            yield Problem((*here, "try-timeout-s"), f"is longer than timeout-s ({cluster.timeout_s:g})")
        if cluster.retry.backoff_ms > cluster.retry.backoff_ms_max:
            yield Problem((*here, "retry", "backoff-ms"), "is longer than backoff-ms-max")
        if cluster.health.fast_interval_s > cluster.health.interval_s:
            yield Problem((*here, "health", "fast-interval-s"), "is slower than interval-s")
        if not cluster.health.path.startswith("/"):
            yield Problem((*here, "health", "path"), 'has to begin with "/"')
        for key, count in (("rise", cluster.health.rise), ("fall", cluster.health.fall)):
            if count == 0:
                yield Problem((*here, "health", key), "has to be at least 1")


def _clusters(config: Config) -> Iterator[Problem]:
    services = {service.name: service for service in config.service}
    for index, cluster in enumerate(config.cluster):
        here: Path = ("cluster", index)
        if bool(cluster.service) == bool(cluster.endpoints):
            yield Problem(here, 'needs either service = "..." or endpoints = ["host:port"], and not both')
        if cluster.service and cluster.service not in services:
            hint = nearest(cluster.service, services)
            yield Problem(
                (*here, "service"), f'no [[service]] is called "{cluster.service}"{hint}', "service"
            )
        kind, _, name = cluster.hash_on.partition(":")
        if kind not in ("source", "account", "path", "cookie", "header") or bool(name) != (
            kind in ("cookie", "header")
        ):
            kinds = "source, account, path, cookie:NAME and header:NAME"
            yield Problem((*here, "hash-on"), f'"{cluster.hash_on}" is none of {kinds}')
        for endpoint in cluster.endpoints:
            if not _split(endpoint)[1]:
                yield Problem((*here, "endpoints"), f'"{endpoint}" is not "host:port"')


def _routes(config: Config) -> Iterator[Problem]:
    clusters = {cluster.name: cluster for cluster in config.cluster}
    limits = {limit.name: limit for limit in config.limit}
    seen: dict[tuple[object, ...], str] = {}
    for index, route in enumerate(config.route):
        here: Path = ("route", index)
        for key, name in _clusters_named(route):
            if name not in clusters:
                hint = nearest(name, clusters)
                yield Problem((*here, key), f'no [[cluster]] is called "{name}"{hint}', "cluster")
        for name in route.limits or ():
            if name not in limits:
                hint = nearest(name, limits)
                yield Problem((*here, "limits"), f'no [[limit]] is called "{name}"{hint}', "limit")
        yield from _route_match(route, here)
        yield from _route_answer(route, here)
        match = _match_of(route)
        if match in seen:
            yield Problem(here, f"matches exactly what {seen[match]} matches; it would never be used")
        seen.setdefault(match, route.name or route.path or route.regex or "an earlier route")


def _engine(config: Config) -> Iterator[Problem]:
    if config.l4.proxy_from and config.l4.engine == "handoff":
        yield Problem(
            ("l4", "proxy-from"), 'handoff reads no byte, so no header either; engine = "relay" does'
        )
    try:
        address = ipaddress.ip_address(config.l7.relay_listen)
    except ValueError:
        yield Problem(("l7", "relay-listen"), f'"{config.l7.relay_listen}" is not an IP address')
        return
    if address.is_unspecified or address.is_multicast:
        # L4 is told this address, so it has to be one that it can connect to.
        yield Problem(("l7", "relay-listen"), f"{address} is no address that an L4 could connect to")


def _clusters_named(route: RouteConfig) -> Iterator[tuple[str, str]]:
    if route.cluster:
        yield "cluster", route.cluster
    for name in route.split:
        yield "split", name


def _route_match(route: RouteConfig, here: Path) -> Iterator[Problem]:
    if route.path and route.regex:
        yield Problem(here, "has both path and regex; one of them decides")
    if route.path and not route.path.startswith("/"):
        yield Problem((*here, "path"), f'"{route.path}" has to begin with "/"')
    if "*" in route.path[:-1]:
        yield Problem((*here, "path"), 'a "*" may stand at the end only (use regex for more)')
    if route.regex and (mistake := _regex_mistake(route.regex)):
        yield Problem((*here, "regex"), mistake)
    for pattern in route.callers:
        if not pattern or (pattern.startswith("~") and _regex_mistake(pattern[1:])):
            yield Problem((*here, "callers"), f'"{pattern}" is no name of a caller, such as "reports" or "*"')
    for key in ("header", "cookie", "query"):
        for name, value in getattr(route, key).items():
            if value.startswith("~") and (mistake := _regex_mistake(value[1:])):
                yield Problem((*here, key, name), mistake)
    for method in route.method:
        if not _TOKEN.match(method) or method != method.upper():
            yield Problem((*here, "method"), f'"{method}" is not a method such as "GET"')
    if route.rewrite_prefix is not None and not route.path.endswith("*"):
        yield Problem((*here, "rewrite-prefix"), 'needs a path that ends in "*"')


def _route_answer(route: RouteConfig, here: Path) -> Iterator[Problem]:
    ways = [bool(route.cluster), bool(route.split), bool(route.redirect), bool(route.respond_status)]
    if sum(ways) != 1:
        yield Problem(here, "needs exactly one of cluster, split, redirect, respond-status")
    if route.respond_status and not 200 <= route.respond_status <= 599:
        yield Problem((*here, "respond-status"), f"{route.respond_status} is not a status from 200 to 599")
    if route.redirect and not route.redirect.startswith(("/", "https://", "http://")):
        yield Problem((*here, "redirect"), 'has to begin with "/" or "https://"')
    if route.split:
        yield from _weights(route.split, (*here, "split"))
    for key in ("set_request_headers", "set_response_headers"):
        for name, value in getattr(route, key).items():
            if not _TOKEN.match(name) or any(ord(character) < 32 for character in value):
                yield Problem((*here, key.replace("_", "-")), f'"{name}: {value}" is not a header')
    if route.cache and route.auth != "public":
        yield Problem((*here, "cache"), 'only what is the same for everybody may be cached (auth = "public")')


def _regex_mistake(regex: str) -> str:
    # The engine that will run it judges it; imported late, since most processes have
    # no pattern to check and it costs them megabytes.
    import re2

    try:
        re2.compile(regex)
    except re2.error as error:
        return f"RE2 cannot compile it: {error}"
    return ""


def _match_of(route: RouteConfig) -> tuple[object, ...]:
    tables = (route.header, route.cookie, route.query)
    pairs = tuple(tuple(sorted(table.items())) for table in tables)
    return route.path, route.regex, route.host, tuple(sorted(route.method)), pairs, route.priority


def _limits(config: Config) -> Iterator[Problem]:
    limits: Sequence[LimitConfig] = config.limit
    for index, limit in enumerate(limits):
        if limit.burst == 0:
            yield Problem(("limit", index, "burst"), "0 would refuse every request (at least 1)")


def _experiments(config: Config) -> Iterator[Problem]:
    for index, experiment in enumerate(config.experiment):
        yield from _weights(experiment.variants, ("experiment", index, "variants"))


def _weights(weights: dict[str, float], path: Path) -> Iterator[Problem]:
    if any(weight < 0 for weight in weights.values()):
        yield Problem(path, "a weight cannot be negative")
    elif not sum(weights.values()) > 0:
        yield Problem(path, "at least one weight has to be above 0")
