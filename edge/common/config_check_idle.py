"""What was configured and would do nothing?

A key that is accepted and has no effect is worse than an error: somebody believes
in it.  `auth = "required"` on a route that answers by itself would be the worst of
them, since the answer goes out before anybody asks who it is for.
"""

from collections.abc import Iterator

import msgspec

from edge.common.config import ClusterConfig, Config, MirrorConfig, RouteConfig
from edge.common.config_build import Path, Problem, nearest

# What a route may say about itself when no stage after `route` runs for it.
_OF_AN_ANSWER = frozenset(
    (
        "name", "path", "regex", "host", "method", "header", "cookie", "query", "priority",
        "redirect", "respond_status", "respond_body", "set_response_headers",
        "cluster", "split",  # judged elsewhere: exactly one of these and the two above
        "limits",  # () is what a careful operator writes, and nothing is all it can mean
    )
)  # fmt: skip
_HASHING = ("hash", "bounded-hash")


def idle(config: Config) -> Iterator[Problem]:
    """All keys that are given in vain."""
    for index, route in enumerate(config.route):
        here: Path = ("route", index)
        yield from _answers(route, here)
        yield from _mirror(route, config, here)
        if route.cache_cookies and not route.cache:
            yield Problem((*here, "cache-cookies"), "does nothing without cache = true")
        if route.callers and route.cache:
            yield Problem((*here, "cache"), "what is for known callers only cannot be cached for everybody")
    for index, cluster in enumerate(config.cluster):
        yield from _cluster(cluster, config, ("cluster", index))


def _answers(route: RouteConfig, here: Path) -> Iterator[Problem]:
    if not route.redirect and not route.respond_status:
        return
    way = "redirect" if route.redirect else "respond-status"
    for field in msgspec.structs.fields(RouteConfig):
        value = getattr(route, field.name)
        default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
        if field.name not in _OF_AN_ANSWER and value != default:
            told = f"does nothing beside {way}: the route answers before any later stage runs"
            yield Problem((*here, field.encode_name), told)
    if route.limits:
        yield Problem((*here, "limits"), f"does nothing beside {way}: the route answers first")


def _mirror(route: RouteConfig, config: Config, here: Path) -> Iterator[Problem]:
    mirror = route.mirror
    known = {cluster.name: cluster for cluster in config.cluster}
    if not mirror.cluster:
        if mirror != MirrorConfig():
            yield Problem((*here, "mirror"), "names no cluster to copy requests to")
    elif mirror.cluster not in known:
        hint = nearest(mirror.cluster, known)
        yield Problem((*here, "mirror"), f'no [[cluster]] is called "{mirror.cluster}"{hint}', "cluster")
    elif mirror.cluster == route.cluster or mirror.cluster in route.split:
        yield Problem((*here, "mirror"), f"would send each request to {mirror.cluster} twice")
    elif mirror.share == 0:
        yield Problem((*here, "mirror"), "copies nothing with a share of 0")


def _cluster(cluster: ClusterConfig, config: Config, here: Path) -> Iterator[Problem]:
    if cluster.hash_on != "source" and cluster.balance not in _HASHING:
        yield Problem((*here, "hash-on"), f'does nothing with balance = "{cluster.balance}"')
    hedge = cluster.hedge
    if not hedge.after_ms and not hedge.quantile:
        return
    copies = [service.instances for service in config.service if service.name == cluster.service]
    if len(cluster.endpoints) == 1 or copies == [1]:
        yield Problem((*here, "hedge"), "needs a second copy to ask")
    if hedge.after_ms / 1000 >= cluster.try_timeout_s:
        yield Problem(
            (*here, "hedge"), f"comes after the try has ended (try-timeout-s is {cluster.try_timeout_s:g})"
        )
    if not cluster.retry.attempts:
        yield Problem((*here, "hedge"), "is a second try, and retry.attempts = 0 forbids those")
