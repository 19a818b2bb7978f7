"""What may a page ask the edge to do?

Everything a button sends is checked here against a short list before it becomes a
command; what is not on the list does not exist.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge.common.errors import EdgeError
from edge.common.faults import parse

_WEIGHT_MAX = 1000
# What may be killed: whoever has a supervisor that brings it back.
_KILLABLE = ("dns", "l4", "l7", "service", "control")


class ActionRefused(EdgeError):
    """No such action, or not so."""

    blame = "operator"
    status_hint = 400


@dataclass(frozen=True, slots=True)
class Action:
    """A command for the hub, or a kill."""

    action: str
    target: str
    args: dict[str, Any]


def action_of(body: Mapping[str, Any], tiers: Mapping[str, str], fault_id: str) -> Action:
    """The action that a page's JSON asks for.

    `tiers` says which tier each live process is of; `fault_id` names a fault that
    begins now.  Raises `ActionRefused` or `FaultRefused`.
    """
    name, target = str(body.get("action", "")), str(body.get("target", ""))
    if name == "clear":
        return Action("fault", "*", {"do": "clear", "id": str(body.get("id", ""))})
    if target not in tiers:
        raise ActionRefused(f"no process is called {target!r}")
    if name in ("drain", "undrain"):
        return Action(name, target, {})
    if name == "weight":
        weight = body.get("weight")
        if isinstance(weight, bool) or not isinstance(weight, int) or not 0 <= weight <= _WEIGHT_MAX:
            raise ActionRefused(f"a weight is a whole number from 0 to {_WEIGHT_MAX}")
        return Action(name, target, {"weight": weight})
    if name == "kill":
        if tiers[target] not in _KILLABLE:
            raise ActionRefused(f"nobody would bring {target} back")
        return Action(name, target, {})
    if name == "fault":
        wanted = body.get("fault")
        if not isinstance(wanted, Mapping):
            raise ActionRefused("which fault?")
        fault = parse({**wanted, "id": fault_id})
        return Action(name, target, {field: getattr(fault, field) for field in fault.__struct_fields__})
    raise ActionRefused(f"there is no action {name!r}")
