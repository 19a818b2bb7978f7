"""How do the counters of twenty processes become one page for Prometheus?

prometheus_client writes the text; we only hand it what the processes answered.
Each sample is labelled with its process (`instance`), tier and POP, and a family is
written once, with the samples of every process under it, as the format demands.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

# What the frame says of every process, beside the labels of the counter itself.
_WHO = ("tier", "pop", "service", "instance")


def exposition(answers: Mapping[str, Any], members: Mapping[str, Mapping[str, Any]], prefix: str = "") -> str:
    """The text; `answers` are the processes' snapshots by name, `members` who they are.

    With `prefix`, only of the counters whose names begin so.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Snapshot(answers, members, prefix))
    return generate_latest(registry).decode()


class _Snapshot(Collector):
    def __init__(
        self, answers: Mapping[str, Any], members: Mapping[str, Mapping[str, Any]], prefix: str
    ) -> None:
        self._prefix = prefix
        self._answers = answers
        self._members = members

    def collect(self) -> Iterator[Metric]:
        metrics: dict[str, Metric] = {}
        for name, families in sorted(self._answers.items()):
            member = self._members.get(name, {})
            who = {"tier": member.get("tier", ""), "pop": member.get("pop", "")}
            who |= {"service": member.get("service", ""), "instance": name}
            for family in families or ():
                if not family["name"].startswith(self._prefix):
                    continue
                metric = metrics.get(family["name"])
                if metric is None:
                    metric = metrics[family["name"]] = _metric(family)
                _add(metric, family, who)
        yield from metrics.values()


def _metric(family: Mapping[str, Any]) -> Metric:
    name, text = family["name"], family["help"]
    labels = [label for label in family["labels"] if label not in _WHO] + list(_WHO)
    if family["kind"] == "counter":
        return CounterMetricFamily(name, text, labels=labels)
    if family["kind"] == "gauge":
        return GaugeMetricFamily(name, text, labels=labels)
    return HistogramMetricFamily(name, text, labels=labels)


def _add(metric: Metric, family: Mapping[str, Any], who: Mapping[str, str]) -> None:
    for values, value in family["values"]:
        own = dict(zip(family["labels"], values, strict=True))
        labels = [str(who[name]) if name in _WHO else own.get(name, "") for name in _label_names(metric)]
        if isinstance(metric, HistogramMetricFamily):
            metric.add_metric(labels, buckets=_buckets(value), sum_value=value["sum"])
        elif isinstance(metric, CounterMetricFamily | GaugeMetricFamily):
            metric.add_metric(labels, float(value))


def _label_names(metric: Metric) -> tuple[str, ...]:
    names: tuple[str, ...] = metric._labelnames  # type: ignore[attr-defined]  # the class offers no other way
    return names


def _buckets(value: Mapping[str, Any]) -> list[tuple[str, float]]:
    # Ours count what fell between two bounds; Prometheus counts everything up to one.
    buckets: list[tuple[str, float]] = []
    total = 0
    for bound, number in zip([*value["bounds"], float("inf")], value["counts"], strict=True):
        total += number
        buckets.append(("+Inf" if bound == float("inf") else repr(float(bound)), total))
    return buckets
