"""What has the firewall found of late?

For the console, which lists it and explains one finding when somebody asks.  The audit log on disk has all of
it (`edge waf explain` reads that); here are the newest only, redacted already.  Who sends the same attack a
thousand times is one finding that came a thousand times, or he would push everybody else's out.

State: `FINDINGS_MAX` audit records of some kilobytes.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from edge.l7.waf.explain import explain

FINDINGS_MAX: Final = 64
# A head may trip fifty rules; a list shows the first few.
RULES_SHOWN: Final = 8
_SHOWN: Final = (
    "request_id", "unix_s", "client", "route", "mode", "action", "status", "score", "threshold", "method",
    "path", "part",
)  # fmt: skip


class Findings:
    """One worker's newest audit records."""

    def __init__(self) -> None:
        # The one that came last stands last.
        self._records: dict[tuple[Any, ...], tuple[Mapping[str, Any], int]] = {}

    def add(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Remember these; the oldest go."""
        for record in records:
            rules = tuple(match["id"] for match in record["matches"])
            key = (record["client"], record["action"], record["method"], record["path"], rules)
            _, times = self._records.pop(key, (None, 0))
            self._records[key] = (record, times + 1)
            if len(self._records) > FINDINGS_MAX:
                del self._records[next(iter(self._records))]

    def told(self, args: Mapping[str, Any]) -> Any:
        """All of them in brief, oldest first; with `args["id"]` the explanation of one, as lines, or None."""
        wanted = str(args.get("id", ""))
        if not wanted:
            return [_brief(record) | {"times": times} for record, times in self._records.values()]
        found = (record for record, _ in self._records.values() if record["request_id"] == wanted)
        return next((explain(record) for record in found), None)


def _brief(record: Mapping[str, Any]) -> dict[str, Any]:
    # The dearest rule says most about a request.
    matches = sorted(record["matches"], key=lambda match: -match["points"])[:RULES_SHOWN]
    rules = [
        {"id": match["id"], "msg": match["msg"], "points": match["points"], "variable": match["variable"]}
        for match in matches
    ]
    return {name: record[name] for name in _SHOWN} | {"rules": rules, "silenced": len(record["excluded"])}
