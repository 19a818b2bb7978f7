"""What did every process do since the last look?

The rows of the console's stats page (`edge.console.view`), as lines of a terminal:
rates and percentiles of the time between two looks, in the order of tiers, and what
is missing of the formation.  Numbers that nobody measures stay "-": a zero would
claim that somebody looked.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from edge.cli.status_report import age
from edge.common.messages import Member
from edge.console import view
from edge.supervise.formation import Spec

HEAD = (
    "NAME", "POP", "STATE", "ROLE", "WEIGHT", "REQ/S", "ERR/S", "BUSY", "P50 MS", "P99 MS",
    "LAG MS", "UP SINCE", "LAST CHECK", "FAULTS",
)  # fmt: skip
_STYLES = {"starting": "33", "draining": "33", "dead": "31", "missing": "31"}
_CHECK_CHARS_MAX = 40

Row = dict[str, Any]


class Look(msgspec.Struct, frozen=True):
    """What the edge answered at one moment."""

    at_s: float  # CLOCK_MONOTONIC
    members: list[Member]
    metrics: Mapping[str, Any]
    stats: Mapping[str, Any]
    faults: Mapping[str, Any]


def rows(before: Look, after: Look, expected: Iterable[Spec]) -> list[Row]:
    """A row for each process that is there or should be."""
    seconds = max(0.001, after.at_s - before.at_s)
    found = view.rows(after.members, before.metrics, after.metrics, seconds, after.stats, after.faults)
    present = {member.name for member in after.members}
    missing = [
        {"name": spec.name, "tier": spec.tier, "pop": spec.pop, "state": "missing"}
        for spec in expected
        if spec.name not in present and spec.tier in view.TIERS
    ]
    return sorted([*found, *missing], key=lambda row: view.TIERS.index(row["tier"]))


def lines(found: Sequence[Row], unix_now: float) -> list[tuple[str, ...]]:
    """The cells of each row."""
    return [
        (
            str(row["name"]),
            row["pop"] or "-",
            str(row["state"]),
            row.get("role") or "-",
            _number(row.get("weight"), 0),
            _number(row.get("rate"), 1),
            _number(row.get("error_rate"), 1),
            _number(row.get("in_flight"), 0),
            _number(row.get("p50_ms"), 2),
            _number(row.get("p99_ms"), 2),
            _number(row.get("lag_ms"), 2),
            age(unix_now - row["since_unix"]) if row.get("since_unix") else "-",
            _check(row),
            ", ".join(row.get("faults", ())) or "-",
        )
        for row in found
    ]


def styles(found: Sequence[Row]) -> list[str]:
    """Red is broken or answers errors, yellow is on its way or made to suffer, dim stands by."""
    return [_style(row) for row in found]


def totals(found: Sequence[Row], bans: int) -> str:
    """One line for the whole edge, by the tier that a phone meets."""
    told = []
    for tier, what in (("dns", "answers"), ("l4", "connections"), ("l7", "requests"), ("service", "calls")):
        rate = sum(row.get("rate") or 0.0 for row in found if row["tier"] == tier)
        told.append(f"{tier} {rate:,.1f} {what}/s")
    errors = sum(row.get("error_rate") or 0.0 for row in found if row["tier"] == "l7")
    return f"{' · '.join(told)} · {errors:,.1f} errors/s · {bans} banned"


def _style(row: Row) -> str:
    if row["state"] in _STYLES:
        return _STYLES[row["state"]]
    if (row.get("error_rate") or 0.0) > 0 or not row.get("up", True) or row.get("ejected"):
        return "31"
    if row.get("faults"):
        return "33"
    return "2" if row.get("role") == "standby" else ""


def _check(row: Row) -> str:
    said = str(row.get("check") or "")
    if row.get("ejected"):
        said = f"ejected; {said}".rstrip("; ")
    return (said if len(said) <= _CHECK_CHARS_MAX else f"{said[: _CHECK_CHARS_MAX - 1]}…") or "-"


def _number(value: Any, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
