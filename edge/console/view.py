"""What do the pages show of the edge?

Pure: the members, the answers to "stats" and "metrics", two looks apart, go in;
rows that a browser can draw without thinking come out.  Rates and percentiles
are of the time between the two looks.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from edge.common.messages import Member

# Where each tier counts what it answers, and where it measures how long that took.
_REQUESTS = {
    "l7": "edge_l7_requests_total",
    "service": "edge_service_requests_total",
    "l4": "edge_l4_connections_total",
    "dns": "edge_dns_answers_total",
}
_SECONDS = {"l7": "edge_l7_request_duration_seconds", "service": "edge_service_request_seconds"}
TIERS = ("control", "dns", "l4", "l7", "service")

Snapshot = Mapping[str, Any]  # process -> families, as `Registry.snapshot` made them


def rows(
    members: Iterable[Member],
    before: Snapshot,
    after: Snapshot,
    seconds: float,
    stats: Mapping[str, Any],
    faults: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """A row for each process, by tier and name."""
    checks = _checks(stats)
    table = []
    for member in members:
        if member.tier not in TIERS:
            continue
        earlier, later = before.get(member.name) or [], after.get(member.name) or []
        name = _REQUESTS.get(member.tier, "")
        total, errors = count(later, name), count(later, name, wrong=True)
        was, wrong = count(earlier, name), count(earlier, name, wrong=True)
        # A process that was restarted in between counts from 0 again.
        rate = (total - was if total >= was else total) / seconds
        seen = _since(distribution(earlier, _SECONDS.get(member.tier, "")), later, member.tier)
        check = checks.get(member.name, {})
        table.append(
            {
                "name": member.name,
                "tier": member.tier,
                "pop": member.pop,
                "service": member.service,
                "pid": member.pid,
                "state": member.state,
                "role": member.role,
                "weight": member.weight,
                "revision": member.revision,
                "since_unix": member.since_unix,
                "address": member.address,
                "in_flight": member.load.get("in_flight", member.load.get("connections", 0)),
                "lag_ms": member.load.get("lag_ms", 0.0),
                "total": total,
                "rate": round(rate, 1),
                "error_rate": round(max(0.0, errors - wrong if errors >= wrong else errors) / seconds, 2),
                "p50_ms": percentile(seen, 0.5),
                "p99_ms": percentile(seen, 0.99),
                "check": check.get("check", ""),
                "up": check.get("up", True),
                "ejected": check.get("ejected", False),
                "queue": check.get("in_flight", 0),
                "faults": [fault["text"] for fault in faults.get(member.name) or ()],
            }
        )
    return sorted(table, key=lambda row: (TIERS.index(row["tier"]), row["pop"], row["name"]))


def count(families: Iterable[Mapping[str, Any]], name: str, wrong: bool = False) -> float:
    """The counter `name` over all its labels, or only what went wrong: 5xx, refusals."""
    total = 0.0
    for family in families:
        if family["name"] != name:
            continue
        for values, value in family["values"]:
            labels = dict(zip(family["labels"], values, strict=True))
            if not wrong or _is_wrong(labels):
                total += value
    return total


def _is_wrong(labels: Mapping[str, str]) -> bool:
    if "code" in labels:
        return labels["code"].startswith("5")
    return "result" in labels and labels["result"] not in ("accepted", "handed", "ok")


Distribution = tuple[list[float], list[int]]  # upper bounds, counts (one more: beyond the last)


def distribution(families: Iterable[Mapping[str, Any]], name: str) -> Distribution:
    """The histogram `name` over all its labels."""
    bounds: list[float] = []
    counts: list[int] = []
    for family in families:
        if family["name"] != name:
            continue
        for _, value in family["values"]:
            bounds = bounds or list(value["bounds"])
            counts = counts or [0] * len(value["counts"])
            counts = [mine + theirs for mine, theirs in zip(counts, value["counts"], strict=True)]
    return bounds, counts


def _since(earlier: Distribution, families: Iterable[Mapping[str, Any]], tier: str) -> Distribution:
    bounds, counts = distribution(families, _SECONDS.get(tier, ""))
    past = earlier[1]
    if len(past) == len(counts) and sum(past) <= sum(counts):
        counts = [max(0, now - then) for now, then in zip(counts, past, strict=True)]
    return bounds, counts


def percentile(seen: Distribution, share: float) -> float | None:
    """Roughly, in ms: linear within the bucket that holds it; None where nothing was seen."""
    bounds, counts = seen
    total = sum(counts)
    if not total:
        return None
    rank, below, lower = share * total, 0, 0.0
    for at, number in enumerate(counts):
        upper = bounds[at] if at < len(bounds) else bounds[-1]
        if number and below + number >= rank:
            return round((lower + (upper - lower) * (rank - below) / number) * 1000, 3)
        below, lower = below + number, upper
    return round(lower * 1000, 3)


def _checks(stats: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What L7 says of each endpoint; the worst word of several workers counts."""
    found: dict[str, dict[str, Any]] = {}
    for answer in stats.values():
        clusters = answer.get("clusters", ()) if isinstance(answer, Mapping) else ()
        for cluster in clusters:
            for endpoint in cluster.get("endpoints", ()):
                known = found.setdefault(endpoint["name"], {"in_flight": 0, "up": True, "ejected": False})
                known["in_flight"] += endpoint.get("in_flight", 0)
                known["up"] = known["up"] and endpoint.get("up", True)
                known["ejected"] = known["ejected"] or bool(endpoint.get("ejected_until"))
                known["check"] = endpoint.get("check") or known.get("check", "")
    return found
