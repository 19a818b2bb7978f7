"""Why was this request blocked, and how would one let it through on purpose?

Turns an audit record into sentences and into the narrowest exclusion that would have prevented the block
(`edge.l7.waf.exclusion` writes it).
People exclude the wrong rule when bookkeeping rules stand beside the real one, so those are listed apart and
never offered."""

from collections.abc import Mapping
from typing import Any

from edge.l7.waf.exclusion import exclusion_toml, without_id
from edge.l7.waf.inspector import BODY_TOO_LARGE, BODY_UNREADABLE, OVER_BUDGET

# A comment, so that whoever pastes too much pastes no mistake.
HOW_TO_USE = (
    "# into a .toml file that `waf.rules` of edge.toml names; `edge waf lint FILE`, then `edge reload`"
)

# What the firewall decides by itself: no rule does, so no exclusion helps.
OWN_DECISIONS = {
    BODY_UNREADABLE: "What cannot be read cannot be inspected, so no exclusion lets it through: "
    'mend who sends it, or give its route `waf = "detect"`.',
    BODY_TOO_LARGE: "Bodies up to `waf.body-bytes-max` of edge.toml are inspected; "
    "more is refused, not waved through.",
    OVER_BUDGET: "`waf.budget-ms` and `waf.budget-ms-per-kb` of edge.toml are the time that it may cost; "
    '`waf.on-budget = "log"` waves through what costs more.',
}


def explain(record: Mapping[str, Any]) -> list[str]:
    """Lines of text: what was decided, each rule with its evidence, and a ready-made exclusion."""
    of = "the answer to " if record.get("part") == "answer" else ""
    lines = [
        f"{of}{record['method']} {record['target']}  ->  {record['action']}"
        + (f" ({record['status']})" if record["action"] != "pass" else "")
        + f", score {record['score']} of {record['threshold']}",
    ]
    for match in record["matches"]:
        lines.append("")
        lines.append(
            f"rule {match['id']}  {match['msg']}  (+{match['points']}, {match['severity'] or 'no severity'})"
        )
        lines.append(
            f"  where      {match['variable']}"
            + (f" at byte {match['offset']}" if match["offset"] >= 0 else "")
        )
        if match["operator"]:  # not where the firewall decides by itself
            lines.append(f"  found      {match['fragment']!r}")
            lines.append(f"  decoded by {', '.join(match['transforms']) or 'nothing, as sent'}")
            lines.append(f"  test       {match['operator']}")
        lines.append(f"  written in {match['place']}")
        if match["why"]:
            lines.append(f"  why        {match['why']}")
    if record["bookkeeping"]:
        lines += [
            "",
            "rules that only counted (never exclude these): " + ", ".join(map(str, record["bookkeeping"])),
        ]
    if record["excluded"]:
        lines.append("rules silenced by an exclusion: " + ", ".join(map(str, record["excluded"])))
    own = [OWN_DECISIONS[match["id"]] for match in record["matches"] if match["id"] in OWN_DECISIONS]
    if own:
        lines += ["", *own]
    elif record["matches"]:
        lines += ["", "To let exactly this through:", "", exclusion_of(record), "", HOW_TO_USE]
    return lines


def exclusion_of(record: Mapping[str, Any]) -> str:
    """An `[[exclude]]` table for the rules and values of one record, on its host, path and method only."""
    table = exclusion_toml(
        [match["id"] for match in record["matches"]],
        [match["variable"] for match in record["matches"]],
        host=record["host"].partition(":")[0],
        method=record["method"],
        path=record["path"],
        unix_s=record["unix_s"],
    )
    prefix, has_id = without_id(record["path"])
    # Exactly this path is what was asked about; the next request has another id in it.
    return table + (f'\n# for every id: path_prefix = "{prefix}" instead of path' if has_id else "")
