"""What did cache, experiments, shedding and the clusters count for themselves?

They keep plain integers, because they sit on every request's path; four times a
second the worker carries them into the registry.
"""

from collections.abc import Iterable

from edge.common.metrics import Registry
from edge.l7.cache.stage import Cache
from edge.l7.limits_shared import SharedLimits
from edge.l7.stages.experiment import Experiments
from edge.l7.stages.shed import Shed
from edge.l7.upstream.cluster import Cluster


class StageCounts:
    """The families, and how they are filled."""

    def __init__(self, registry: Registry) -> None:
        self._cache = registry.counter("edge_cache_requests_total", "Requests to cached routes", ("result",))
        self._cache_bytes = registry.gauge("edge_cache_bytes", "Bytes of responses in memory").child()
        self._cache_entries = registry.gauge("edge_cache_entries", "Responses in memory").child()
        self._evicted = registry.counter(
            "edge_cache_evicted_total", "Responses that had to make room"
        ).child()
        self._exposed = registry.counter(
            "edge_experiment_exposures_total", "Requests by variant", ("experiment", "variant")
        )
        self._weights = registry.gauge(
            "edge_canary_weight", "Weight of a cluster in a split, 0 when stopped", ("split", "upstream")
        )
        self._shed = registry.counter("edge_shed_total", "Requests refused because of overload").child()
        self._shed_limit = registry.gauge("edge_shed_limit", "Requests that may be under way").child()
        self._usable = registry.gauge("edge_upstream_usable", "Endpoints that take work", ("upstream",))
        self._told = registry.counter(
            "edge_ratelimit_heard_total", "Grants of other workers that were counted here"
        ).child()

    def observe(
        self,
        cache: Cache,
        experiments: Experiments,
        shed: Shed,
        shared: SharedLimits,
        clusters: Iterable[Cluster],
    ) -> None:
        """Take over what they have counted so far."""
        for result, count in (("hit", cache.hits), ("miss", cache.misses), ("collapsed", cache.collapsed)):
            self._cache.child(result).value = count
        self._cache_bytes.value = cache.store.bytes
        self._cache_entries.value = cache.store.entries
        self._evicted.value = cache.store.evicted
        for (experiment, variant), exposures in experiments.exposures.items():
            self._exposed.child(experiment, variant).value = exposures
        for split, weights in experiments.canaries().items():
            for cluster, weight in weights.items():
                self._weights.child(split, cluster).value = weight
        self._shed.value = shed.refused
        self._shed_limit.value = round(shed.limit)
        self._told.value = shared.heard
        for one in clusters:
            self._usable.child(one.config.name).value = one.usable()
