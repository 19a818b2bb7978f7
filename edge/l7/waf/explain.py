"""Why was this request blocked, and how would one let it through on purpose?

Turns an audit record into sentences and into the narrowest exclusion that would have prevented the block.
People exclude the wrong rule when bookkeeping rules stand beside the real one, so those are listed apart and
never offered."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_to_bytes


def explain(record: Mapping[str, Any]) -> list[str]:
    """Lines of text: what was decided, each rule with its evidence, and a ready-made exclusion."""
    lines = [
        f"{record['method']} {record['target']}  ->  {record['action']}"
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
    if record["matches"]:
        lines += ["", "To let exactly this through:", "", exclusion_toml(record)]
    return lines


# Names in rule files for the collections that conditions name.
_NATIVE = {
    "ARGS": "args",
    "ARGS_NAMES": "arg_names",
    "ARGS_GET": "args_get",
    "REQUEST_COOKIES": "cookies",
    "REQUEST_COOKIES_NAMES": "cookie_names",
    "REQUEST_HEADERS": "headers",
    "REQUEST_FILENAME": "path",
    "REQUEST_BASENAME": "basename",
}


def native_target(variable: str) -> str:
    """`ARGS:q` as a native rule file spells it: `args:q`."""
    collection, colon, key = variable.partition(":")
    return _NATIVE.get(collection, collection.lower()) + colon + key


def exclusion_toml(record: Mapping[str, Any]) -> str:
    """An `[[exclude]]` table for the rules and values of one record, on its host, path and method only."""
    targets = sorted({native_target(match["variable"]) for match in record["matches"] if match["variable"]})
    rules = sorted({str(match["id"]) for match in record["matches"]})
    return _table(rules, record, targets)


# An exclusion outlives its reason unless somebody has to look at it again.
EXPIRES_S = 90 * 86_400


def _table(rules: list[str], record: Mapping[str, Any], targets: list[str]) -> str:
    host = record["host"].partition(":")[0]
    when = [f"host = {_quoted(host)}"] if host else []
    # Conditions compare the decoded path; an id in it makes every path another, which a prefix mends.
    path = unquote_to_bytes(record["path"].encode("latin-1")).decode("utf-8", "replace")
    when += [f"path = {_quoted(path)}", f"method = [{_quoted(record['method'])}]"]
    expires = datetime.fromtimestamp(record["unix_s"] + EXPIRES_S, UTC).date()
    return "\n".join(
        (
            "[[exclude]]",
            f"rules = [{', '.join(map(_quoted, rules))}]",
            f"when = {{ {', '.join(when)} }}",
            f"targets = [{', '.join(map(_quoted, targets))}]",
            'reason = "say here why this is harmless"',
            f"expires = {expires.isoformat()}",
        )
    )


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped) + '"'


@dataclass(frozen=True, slots=True)
class Proposal:
    """An exclusion that the log suggests.  `hits` it would silence; `others`: hits of the same rule that it
    would not."""

    rule: int
    path: str
    variable: str
    hits: int
    clients: int
    others: int
    toml: str


def tune(records: Iterable[Mapping[str, Any]], hits_min: int = 3) -> list[Proposal]:
    """Group matches by rule, path and variable: many clients hitting one rule on one field is usually the
    rule's fault.

    The most clients first, because one client with a thousand hits is more likely an attack.
    """
    hits: Counter[tuple[int, str, str]] = Counter()
    clients: dict[tuple[int, str, str], set[str]] = defaultdict(set)
    examples: dict[tuple[int, str, str], Mapping[str, Any]] = {}
    per_rule: Counter[int] = Counter()
    for record in records:
        for match in record["matches"]:
            key = (match["id"], record["path"], match["variable"])
            hits[key] += 1
            per_rule[match["id"]] += 1
            clients[key].add(record["client"])
            examples.setdefault(key, record)
    found = [
        Proposal(
            rule=rule,
            path=path,
            variable=variable,
            hits=count,
            clients=len(clients[rule, path, variable]),
            others=per_rule[rule] - count,
            toml=_table([str(rule)], examples[rule, path, variable], [native_target(variable)]),
        )
        for (rule, path, variable), count in hits.items()
        if count >= hits_min
    ]
    return sorted(found, key=lambda proposal: (-proposal.clients, -proposal.hits, proposal.rule))
