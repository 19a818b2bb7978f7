"""What does the action list of a SecRule say?

`id:942100,phase:2,block,t:none,t:urlDecodeUni,setvar:'tx.score=+%{tx.critical}'`: comma separated, values
after the first colon, single quotes protect commas."""

from dataclasses import dataclass

from edge.l7.waf.form import Control, Disruption, Macro, Phase, SetVar
from edge.l7.waf.macro import parse_macro

_PHASES: dict[str, Phase] = {
    "1": 1,
    "2": 2,
    "3": 3,
    "4": 4,
    "5": 5,
    "request": 2,
    "response": 4,
    "logging": 5,
}
_SEVERITIES = ("EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG")

# They say something to ModSecurity's own log or to tools; nothing here depends on them.
_DESCRIPTIVE = frozenset(
    {"ver", "rev", "maturity", "accuracy", "auditlog", "noauditlog", "sanitisearg", "xmlns"}
)
_DESCRIPTIVE_PREFIX = ("sanitise", "sanitize")

# State that outlives a request, programs, and pauses: the edge has rate limits, bans and services for those.
_REFUSED = frozenset({"exec", "proxy", "append", "prepend", "pause"})

# Writes to state that outlives a request.  A rule that only writes it still finds what it looks for, so the
# write is dropped with a note; a rule that reads such state is refused where its targets are read.
_FORGOTTEN = frozenset({"initcol", "setsid", "setuid", "setrsc", "deprecatevar", "expirevar"})

# `ctl:` changes that this engine knows; True: it changes what later rules see.
CONTROLS = {
    "ruleremovebyid": True,
    "ruleremovebytag": True,
    "ruleremovebymsg": True,
    "ruleremovetargetbyid": True,
    "ruleremovetargetbytag": True,
    "ruleengine": True,
    "requestbodyprocessor": True,
    "forcerequestbodyvariable": True,
    "requestbodyaccess": False,
    "responsebodyaccess": False,
    "auditengine": False,
    "auditlogparts": False,
    "debugloglevel": False,
    "hashengine": False,
    "hashenforcement": False,
}


EMPTY = Macro((), b"")


class ActionError(ValueError):
    """The action list is wrong; the text says how."""


@dataclass(slots=True)
class Actions:
    """An action list, read.  None or empty: not said."""

    id: int = 0
    phase: Phase | None = None
    action: Disruption | None = None
    status: int | None = None
    severity: str = ""
    message: Macro = EMPTY
    log_data: Macro = EMPTY
    tags: tuple[str, ...] = ()
    log: bool | None = None
    skip_after: str = ""
    chain: bool = False
    capture: bool = False
    multi_match: bool = False
    transforms: tuple[str, ...] = ()
    transforms_cleared: bool = False
    setvars: tuple[SetVar, ...] = ()
    controls: tuple[Control, ...] = ()
    refused: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()


def parse_actions(text: bytes) -> Actions:
    """Read a whole action list.  Raises `ActionError`."""
    actions = Actions()
    for item in _split(text):
        name_bytes, _, value = item.partition(b":")
        name = name_bytes.strip().decode("latin-1").lower()
        value = value.strip()
        if len(value) >= 2 and value[0] == value[-1] == 0x27:
            value = value[1:-1]
        _read(actions, name, value.replace(b"\\'", b"'"))
    return actions


def _read(actions: Actions, name: str, value: bytes) -> None:
    words = value.decode("latin-1")
    match name:
        case "id":
            actions.id = _number(words, "id")
        case "phase":
            if words.lower() not in _PHASES:
                raise ActionError(f"there is no phase {words}")
            actions.phase = _PHASES[words.lower()]
        case "pass" | "block" | "deny" | "drop" | "allow" | "redirect":
            actions.action = name
        case "status":
            actions.status = _number(words, "status")
        case "severity":
            actions.severity = (
                _SEVERITIES[int(words)] if words.isdigit() and int(words) < 8 else words.upper()
            )
        case "msg":
            actions.message = parse_macro(value)
        case "logdata":
            actions.log_data = parse_macro(value)
        case "tag":
            actions.tags += (words,)
        case "log":
            actions.log = True
        case "nolog":
            actions.log = False
        case "skipafter":
            actions.skip_after = words
        case "chain":
            actions.chain = True
        case "capture":
            actions.capture = True
        case "multimatch":
            actions.multi_match = True
        case "t":
            transform = words.lower()
            if transform == "none":
                actions.transforms, actions.transforms_cleared = (), True
            else:
                actions.transforms += (transform,)
        case "setvar":
            collection = value.lstrip(b"!")[:3].lower()
            if collection == b"tx.":
                actions.setvars += (_setvar(value),)
            else:
                actions.forgotten += (f"setvar:{words}",)
        case "ctl":
            control, _, argument = words.partition("=")
            if control.lower() not in CONTROLS:
                raise ActionError(f"unknown ctl:{control}")
            actions.controls += (Control(control.lower(), argument),)
        case _ if name in _FORGOTTEN:
            actions.forgotten += (f"{name}:{words}",)
        case _ if name in _REFUSED:
            actions.refused += (name,)
        case _ if name in _DESCRIPTIVE or name.startswith(_DESCRIPTIVE_PREFIX):
            pass
        case _:
            raise ActionError(f"unknown action {name}")


def _number(text: str, what: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ActionError(f"{what} {text!r} is not a number") from None


def _setvar(text: bytes) -> SetVar:
    """`tx.name=value`, `tx.name=+1`, `tx.name=-1`, `!tx.name`, `tx.name` (which sets 1)."""
    if text.startswith(b"!"):
        return SetVar(parse_macro(text[4:]), "!", Macro((), b""))
    name, equals, value = text[3:].partition(b"=")
    if not equals:
        return SetVar(parse_macro(name), "=", Macro((), b"1"))
    if value[:1] in {b"+", b"-"}:
        return SetVar(parse_macro(name), "+" if value[:1] == b"+" else "-", parse_macro(value[1:]))
    return SetVar(parse_macro(name), "=", parse_macro(value))


def _split(text: bytes) -> list[bytes]:
    parts: list[bytes] = []
    start, at, end, quoted = 0, 0, len(text), False
    while at < end:
        byte = text[at]
        if byte == 0x5C:
            at += 1
        elif byte == 0x27:
            quoted = not quoted
        elif byte == 0x2C and not quoted:
            parts.append(text[start:at])
            start = at + 1
        at += 1
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]
