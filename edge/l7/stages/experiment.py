"""Which variants does this phone see, and which version of a service serves it?

**A/B tests.**  Each enabled experiment assigns its key, the account or the
device, to a variant (`edge.l7.stages.assignment`): deterministic, sticky, the
same in every worker without a word between them.  The variants go to the
service in `edge-experiment` and stand in log and trace; that is the exposure.
A device is known by a cookie of random hex that has no meaning elsewhere; the
random number is the request's own trace id.

**Canaries.**  A route with `split` sends each account (without one: each
source) to one of several clusters, by the same hash, so nobody flips between
versions.  `edge.l7.stages.canary` compares their errors and stops a worse one.

State: the assignments of the last few thousand keys, and a `Canary` per split
route.  A new configuration, which may change percentages, clears the former and
keeps the latter where the split is unchanged.
"""

import re
from collections import deque
from dataclasses import replace
from typing import Final

import msgspec

from edge.common.config import ExperimentConfig, RouteConfig
from edge.l7.request import Request
from edge.l7.route import Route
from edge.l7.stages.assignment import group_at, place
from edge.l7.stages.canary import Canary
from edge.l7.verdict import CONTINUE, Answer

DEVICE_COOKIE: Final = "edge_device"
DEVICE_S: Final = 31_536_000  # a year, the longest that browsers keep
MEMO_ENTRIES_MAX: Final = 20_000
NEWS_MAX: Final = 64
ROUTES_MAX: Final = 20_000  # routes of earlier configurations that requests may still hold
_DEVICE = re.compile(r"[0-9a-f]{32}\Z")

_Assigned = tuple[dict[str, str], bytes, str]  # the last two: for the service, for the log


class Experiments:
    """The stage: never answers; annotates, and picks the cluster of a split route."""

    def __init__(self, configs: tuple[ExperimentConfig, ...], routes: tuple[RouteConfig, ...] = ()) -> None:
        self._memo: dict[tuple[int | None, str], _Assigned] = {}
        self._canaries: dict[str, Canary] = {}
        self._routes: dict[tuple[Route, str], Route] = {}
        self._owner: dict[Route, str] = {}
        self.exposures: dict[tuple[str, str], int] = {}
        # (split, cluster, why) of canaries stopped here, for the operator and the other workers.
        self.news: deque[tuple[str, str, str]] = deque(maxlen=NEWS_MAX)
        self._by_account: list[ExperimentConfig] = []
        self._by_device: list[ExperimentConfig] = []
        self.reload(configs, routes)

    def reload(self, configs: tuple[ExperimentConfig, ...], routes: tuple[RouteConfig, ...]) -> None:
        """Other percentages, other tests; a split that did not change keeps its counts."""
        enabled = [config for config in configs if config.enabled]
        self._by_account = [config for config in enabled if config.key == "account"]
        self._by_device = [config for config in enabled if config.key == "device"]
        self._memo.clear()
        self._routes.clear()
        old = self._canaries
        self._canaries = {}
        for config in routes:
            if config.split:
                name = _split_name(config)
                known = old.get(name)
                self._canaries[name] = known if known is not None else Canary(config.split)

    def __call__(self, request: Request, now: float, unix_now: float) -> Answer | None:
        """Assign."""
        route = request.route
        # What is stored for everybody must not have been made for one variant.
        if (self._by_account or self._by_device) and not (route is not None and route.config.cache):
            self._assign(request)
        if route is not None and route.config.split:
            request.route = self._cluster_of(route, request)
        return CONTINUE

    def learn(self, route: Route, ok: bool) -> None:
        """A request of `route` (as this stage left it) is over."""
        name = self._owner.get(route)
        canary = self._canaries.get(name) if name is not None else None
        if canary is None:
            return
        why = canary.learn(route.cluster, ok)
        if why:
            assert name is not None, "a canary was found by it"
            self.news.append((name, route.cluster, why))

    def stop(self, split: str, cluster: str, why: str) -> None:
        """Another worker has found `cluster` of `split` worse than its control."""
        canary = self._canaries.get(split)
        if canary is not None and cluster != canary.control:
            canary.stop(cluster, why)

    def watches(self) -> bool:
        """Is there a canary to learn about?"""
        return bool(self._canaries)

    def canaries(self) -> dict[str, dict[str, float]]:
        """Split -> cluster -> weight, 0 for a stopped one."""
        return {name: dict(canary.weights) for name, canary in self._canaries.items()}

    # -- A/B tests --------------------------------------------------------------------

    def _assign(self, request: Request) -> None:
        device = self._device(request) if self._by_device else ""
        key = (request.account, device)
        known = self._memo.get(key)
        if known is None:
            if len(self._memo) >= MEMO_ENTRIES_MAX:
                self._memo.clear()
            known = self._memo[key] = self._draw(request.account, device)
        variants, line, told = known
        if not variants:
            return
        request.variants = variants
        request.exposed = told
        request.upstream_lines += line
        exposures = self.exposures
        for exposure in variants.items():
            exposures[exposure] = exposures.get(exposure, 0) + 1

    def _draw(self, account: int | None, device: str) -> _Assigned:
        variants: dict[str, str] = {}
        for configs, key in (
            (self._by_account, "" if account is None else str(account)),
            (self._by_device, device),
        ):
            for config in configs if key else ():
                variant = group_at(config.variants, place(config.salt or config.name, key))
                if variant:
                    variants[config.name] = variant
        told = ", ".join(f"{name}={variant}" for name, variant in variants.items())
        return variants, b"edge-experiment: " + told.encode() + b"\r\n", told

    def _device(self, request: Request) -> str:
        known = request.cookies().get(DEVICE_COOKIE, "")
        if _DEVICE.match(known):
            return known
        device = request.trace.trace_id
        cookie = f"{DEVICE_COOKIE}={device}; Path=/; Max-Age={DEVICE_S}; Secure; HttpOnly; SameSite=Lax"
        request.reply_lines += f"set-cookie: {cookie}\r\n".encode()
        return device

    # -- canaries -----------------------------------------------------------------------

    def _cluster_of(self, route: Route, request: Request) -> Route:
        name = _split_name(route.config)
        canary = self._canaries.get(name)
        weights = route.config.split if canary is None else canary.weights
        key = request.source if request.account is None else str(request.account)
        cluster = group_at(weights, place(route.name, key))
        request.note("experiment", "cluster %s of the split, by hash of %s", cluster, key)
        known = self._routes.get((route, cluster))
        if known is None:
            if len(self._owner) >= ROUTES_MAX:
                self._owner.clear()
                self._routes.clear()
            config = msgspec.structs.replace(route.config, cluster=cluster, split={})
            known = self._routes[route, cluster] = replace(route, cluster=cluster, config=config)
            self._owner[known] = name
        return known


def _split_name(config: RouteConfig) -> str:
    parts = ",".join(f"{cluster}:{weight:g}" for cluster, weight in config.split.items())
    return f"{config.host}{config.name or config.path or config.regex} {parts}"
