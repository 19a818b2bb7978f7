"""Integers of the stages, as metrics."""

import random
from typing import Any

from edge.common.config import CacheConfig, ClusterConfig, ExperimentConfig, RouteConfig, ShedConfig
from edge.common.metrics import Registry
from edge.l7.cache.entry import Entry
from edge.l7.cache.stage import Cache
from edge.l7.limits_shared import SharedLimits
from edge.l7.stage_counts import StageCounts
from edge.l7.stages.experiment import Experiments
from edge.l7.stages.shed import Shed
from edge.l7.upstream.cluster import Cluster


def test_what_the_stages_count_is_taken_over() -> None:
    """Absolute values: a second look adds nothing."""
    registry = Registry()
    counts = StageCounts(registry)
    cache = Cache(CacheConfig())
    cache.hits, cache.misses = 7, 2
    cache.store.put(("h", "/", b""), Entry(200, (), b"x" * 100, (), ()))
    split = RouteConfig(name="feed", path="/", split={"stable": 9, "canary": 1})
    experiments = Experiments((ExperimentConfig(name="x", variants={"a": 1}),), (split,))
    experiments.exposures["x", "a"] = 3
    cluster = Cluster(ClusterConfig(name="media", endpoints=("h:1", "h:2")), 0.0, random.Random(1))

    for _ in range(2):
        counts.observe(cache, experiments, Shed(ShedConfig(), lambda: 0), SharedLimits({}), [cluster])

    told: dict[str, dict[tuple[str, ...], Any]] = {
        family["name"]: {tuple(labels): value for labels, value in family["values"]}
        for family in registry.snapshot()
    }
    assert told["edge_cache_requests_total"] == {("hit",): 7, ("miss",): 2, ("collapsed",): 0}
    assert told["edge_cache_entries"] == {(): 1}
    assert told["edge_cache_bytes"][()] > 100
    assert told["edge_experiment_exposures_total"] == {("x", "a"): 3}
    assert sorted(told["edge_canary_weight"].values()) == [1, 9]
    assert told["edge_upstream_usable"] == {("media",): 2}
    assert told["edge_shed_limit"] == {(): 512}
