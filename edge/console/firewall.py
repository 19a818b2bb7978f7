"""What does the page about the firewall show?

Pure: what the workers found, their counters and the bans go in; what a browser can draw without thinking
comes out.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from edge.common.messages import Ban

FINDINGS_MAX = 100
_COUNTERS = {"edge_waf_blocked_total": "blocked", "edge_waf_detected_total": "detected"}


def findings(answers: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What all workers found, the newest first."""
    found = [{**one, "worker": name} for name, told in answers.items() for one in told or ()]
    return sorted(found, key=lambda one: -float(one["unix_s"]))[:FINDINGS_MAX]


def by_rule(snapshots: Mapping[str, Any], found: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """How often each rule had a part in a refusal, of all workers since they started; the busiest first."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: {"blocked": 0, "detected": 0})
    for families in snapshots.values():
        for family in families or ():
            kind = _COUNTERS.get(family["name"])
            for values, value in family["values"] if kind is not None else ():
                rule = dict(zip(family["labels"], values, strict=True))["rule"]
                counts[rule][str(kind)] += int(value)
    # The counters know numbers only; what was found lately knows what they mean.
    meaning = {str(rule["id"]): rule["msg"] for one in found for rule in one["rules"]}
    rows = [{"rule": rule, "msg": meaning.get(rule, "")} | count for rule, count in counts.items()]
    return sorted(rows, key=lambda row: (-row["blocked"], -row["detected"], row["rule"]))


def banned(bans: Iterable[Ban], unix_now: float) -> list[dict[str, Any]]:
    """Who is refused at L4, the one that ends first on top."""
    standing = sorted((ban for ban in bans if ban.until_unix > unix_now), key=lambda ban: ban.until_unix)
    return [
        {
            "network": ban.network,
            "left_s": round(ban.until_unix - unix_now),
            "reason": ban.reason,
            "by": ban.by,
        }
        for ban in standing
    ]
