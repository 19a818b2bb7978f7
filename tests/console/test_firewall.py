"""What the firewall's page is given to draw."""

from edge.common.messages import Ban
from edge.console.firewall import banned, by_rule, findings

XSS = {"id": 102010, "msg": "A script tag", "points": 5, "variable": "ARGS:q"}


def counter(name: str, **counts: int) -> dict[str, object]:
    values = [[[rule.lstrip("r")], count] for rule, count in counts.items()]
    return {"name": name, "labels": ["rule"], "values": values}


def test_what_all_workers_found_stands_in_one_list_the_newest_first() -> None:
    """An operator does not care which worker a phone met."""
    told = {
        "l7-mumbai-1": [{"unix_s": 1.0, "rules": []}, {"unix_s": 3.0, "rules": []}],
        "l7-mumbai-2": [{"unix_s": 2.0, "rules": []}],
        "l7-singapore-1": None,  # of an older version, it does not know the question
    }

    found = findings(told)

    assert [(one["unix_s"], one["worker"][-1]) for one in found] == [(3.0, "1"), (2.0, "2"), (1.0, "1")]


def test_rules_are_counted_over_all_workers_the_busiest_first() -> None:
    """With the meaning, where something was found lately that tells it."""
    snapshots = {
        "l7-1": [counter("edge_waf_blocked_total", r102010=2, r101000=9)],
        "l7-2": [
            counter("edge_waf_blocked_total", r102010=8),
            counter("edge_waf_detected_total", r102010=1),
            counter("edge_other_total", r1=99),
        ],
        "l7-3": None,
    }

    assert by_rule(snapshots, [{"rules": [XSS]}]) == [
        {"rule": "102010", "msg": "A script tag", "blocked": 10, "detected": 1},
        {"rule": "101000", "msg": "", "blocked": 9, "detected": 0},
    ]


def test_bans_are_listed_with_what_is_left_of_them() -> None:
    """Spent ones are gone already at L4."""
    bans = [
        Ban(network="203.0.113.0/24", until_unix=160.0, reason="by hand"),
        Ban(network="127.66.1.1", until_unix=130.4, reason="waf", by="l7-mumbai-2"),
        Ban(network="127.66.1.2", until_unix=99.0, reason="waf", by="l7-mumbai-2"),
    ]

    assert [(row["network"], row["left_s"], row["by"]) for row in banned(bans, 100.0)] == [
        ("127.66.1.1", 30, "l7-mumbai-2"),
        ("203.0.113.0/24", 60, ""),
    ]
