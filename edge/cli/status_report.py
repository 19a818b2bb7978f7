"""Is everything there that should be there?

Expected is what `edge.supervise.formation` makes of the configuration; present is
what the hub heard.  The edge is ready when every expected process is live.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from edge.supervise.formation import Spec

HEAD = ("NAME", "TIER", "POP", "PID", "STATE", "ROLE", "WEIGHT", "AGE", "LOAD")
_STYLES = {"live": "", "starting": "33", "draining": "33", "dead": "31", "missing": "31"}
_STANDBY_STYLE = "2"


def report(expected: Iterable[Spec], members: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The state of the whole edge, in the shape that `edge status --json` prints."""
    present = {str(member["name"]): member for member in members}
    processes = [_process(spec, present.pop(spec.name, None)) for spec in expected]
    ready = bool(processes) and all(process["state"] == "live" for process in processes)
    # Guests, such as a console or another host's worker: shown, but nobody waits for them.
    processes += [_process(None, member) for _, member in sorted(present.items())]
    return {"ready": ready, "processes": processes}


def _process(spec: Spec | None, member: Mapping[str, Any] | None) -> dict[str, Any]:
    if member is None:
        assert spec is not None, "a process is expected, or present, or both"
        return {
            "name": spec.name,
            "tier": spec.tier,
            "pop": spec.pop,
            "service": spec.service,
            "pid": None,
            "state": "missing",
            "role": "",
        }
    return {
        "name": member["name"],
        "tier": member["tier"],
        "pop": member.get("pop", ""),
        "service": member.get("service", ""),
        "pid": member["pid"],
        "state": member.get("state", "starting"),
        "role": member.get("role", ""),
        "weight": member.get("weight", 100),
        "address": member.get("address", ""),
        "revision": member.get("revision", ""),
        "since_unix": member.get("since_unix", 0.0),
        "load": dict(member.get("load", {})),
    }


def rows(processes: Sequence[Mapping[str, Any]], unix_now: float) -> list[tuple[str, ...]]:
    """A line of the table for each process."""
    return [
        (
            str(process["name"]),
            str(process["tier"]),
            str(process["pop"]) or "-",
            str(process["pid"] or "-"),
            str(process["state"]),
            str(process["role"]) or "-",
            str(process.get("weight", "-")),
            age(unix_now - process["since_unix"]) if process.get("since_unix") else "-",
            load_text(process.get("load", {})),
        )
        for process in processes
    ]


def styles(processes: Sequence[Mapping[str, Any]]) -> list[str]:
    """The colour of each line: red is broken, yellow is on its way, dim stands by."""
    return [
        _STYLES.get(str(process["state"]), "") or (_STANDBY_STYLE if process["role"] == "standby" else "")
        for process in processes
    ]


def summary(state: Mapping[str, Any]) -> str:
    """One sentence: ready, or what is not."""
    lacking = [f"{one['name']} ({one['state']})" for one in state["processes"] if one["state"] != "live"]
    if state["ready"]:
        return f"ready: {len(state['processes']) - len(lacking)} processes are live"
    if not any(one["pid"] for one in state["processes"]):
        return "not running"
    return f"not ready: {', '.join(lacking)}"


def age(seconds: float) -> str:
    """Seconds as a person would say them: 12s, 3m, 2h, 4d."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= length:
            return f"{int(seconds // length)}{unit}"
    return f"{max(0, int(seconds))}s"


def load_text(load: Mapping[str, float]) -> str:
    """The numbers that a process beats with, one after the other."""
    return " ".join(f"{name}={value:g}" for name, value in sorted(load.items())) or "-"
