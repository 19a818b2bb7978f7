"""How does a native rule file (`*.toml`) become rules?

    [[rule]]
    id = 100210
    family = "sqli"
    targets = ["args", "arg_names", "cookies", "!cookies:_ga"]   # default: everything a phone fills in
    form = "decoded"                  # or transform = ["urlDecodeUni", "lowercase"]
    match = { rx = "..." }            # or any = [...], words, contains, equals, prefix, suffix, in_file, ip,
                                      # size_gt, count_gt, count_eq, sqli, xss, bytes_outside, bad_utf8
    score = 5                         # or action = "block" | "allow" | "log"
    paranoia = 1
    msg = "..."
    why = "one paragraph that a learner understands"

    [[exclude]]
    rules = ["942430", "tag:attack-sqli", "941000-941999"]
    when = { host = "shop.example", path = "/index.php", method = ["POST"] }    # or path_prefix
    targets = ["args:g-recaptcha-response"]
    reason = "the token is random text"
    expires = 2027-01-31

`match` may be a list of tables: then all of them have to hold, each with its own `targets` if it names them.

Native rules count in variables of their own (`tx.edge_score`), so that they and a Core Rule Set in the same
process never count into each other's sums; a request is blocked when either sum reaches its threshold.
"""

import datetime
import re
import tomllib
from collections.abc import Callable, Mapping
from typing import Any

from edge.l7.waf.form import (
    Disruption,
    Exclusion,
    Link,
    Macro,
    Operator,
    Phase,
    Place,
    Rule,
    Selector,
    SetVar,
    Statement,
    Target,
)
from edge.l7.waf.macro import parse_macro
from edge.l7.waf.operators import check_operator, quote
from edge.l7.waf.problem import Problems
from edge.l7.waf.regex import PatternError, compile_pattern
from edge.l7.waf.ruleset import Settings
from edge.l7.waf.transform import TRANSFORMS
from edge.l7.waf.variables import COLLECTIONS

# The three normal forms of the embedded rules: what the application gets, what a browser or database makes of
# it, what a shell makes of it.
FORMS: dict[str, tuple[str, ...]] = {
    "raw": (),
    "lower": ("lowercase",),
    "decoded": (
        "halfwidth",
        "urldecodeuni",
        "browserentitydecode",
        "jsdecode",
        "removenulls",
        "replacecomments",
        "compresswhitespace",
        "lowercase",
    ),
    "shell": ("urldecodeuni", "removenulls", "shellwords"),
    "path": ("urldecodeuni", "removenulls", "normalizepathwin", "lowercase"),
}

# Names in rule files -> collections.
TARGETS = {
    "args": "ARGS",
    "arg_names": "ARGS_NAMES",
    "cookies": "REQUEST_COOKIES",
    "cookie_names": "REQUEST_COOKIES_NAMES",
    "headers": "REQUEST_HEADERS",
    "header_names": "REQUEST_HEADERS_NAMES",
    "path": "REQUEST_FILENAME",
    "basename": "REQUEST_BASENAME",
    "query": "QUERY_STRING",
    "uri": "REQUEST_URI",
    "target": "REQUEST_URI_RAW",
    "method": "REQUEST_METHOD",
    "protocol": "REQUEST_PROTOCOL",
    "line": "REQUEST_LINE",
    "body": "REQUEST_BODY",
    "body_size": "REQUEST_BODY_LENGTH",
    "files": "FILES",
    "file_names": "FILES_NAMES",
    "part_headers": "MULTIPART_PART_HEADERS",
    "xml": "XML",
    "client": "REMOTE_ADDR",
    "answer_status": "RESPONSE_STATUS",
    "answer_headers": "RESPONSE_HEADERS",
    "answer_body": "RESPONSE_BODY",
}

# Everything a phone fills in freely.
_DEFAULT_TARGETS = (
    Target("ARGS"),
    Target("ARGS_NAMES"),
    Target("REQUEST_COOKIES"),
    Target("REQUEST_COOKIES_NAMES"),
    Target("REQUEST_FILENAME"),
    Target("XML", key=b"/*"),
    Target("XML", key=b"//@*"),
)

_PHASES: dict[str, Phase] = {"headers": 1, "body": 2, "answer_headers": 3, "answer": 4}
_SEVERITY = {5: "CRITICAL", 4: "ERROR", 3: "WARNING", 2: "NOTICE"}
_RULE_KEYS = frozenset(
    [
        "id",
        "family",
        "phase",
        "targets",
        "form",
        "transform",
        "match",
        "score",
        "action",
        "status",
        "paranoia",
        "severity",
        "msg",
        "why",
        "tags",
        "expires",
    ]
)
_EXCLUDE_KEYS = frozenset(["rules", "when", "targets", "reason", "expires"])

SCORE = b"edge_score"
DETECTION_SCORE = b"edge_detection_score"
VERDICT_RULE = 100_999


class _Bad(ValueError):
    """The table is wrong; the text says how."""


def parse_native(
    text: bytes, file: str, read: Callable[[str], bytes], settings: Settings, problems: Problems
) -> list[Statement]:
    """Every statement of one file.  What is wrong goes to `problems` with file and line."""
    try:
        document = tomllib.loads(text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        line = re.search(r"at line (\d+)", str(error))
        problems.error(Place(file, int(line[1]) if line else 0), str(error))
        return []
    out: list[Statement] = []
    for key in sorted(document.keys() - {"rule", "exclude", "defaults"}):
        problems.error(Place(file, 0), f"unknown table {key}")
    defaults = document.get("defaults", {})
    for kind, build in (("rule", _rule), ("exclude", _exclusion)):
        lines = _lines(text, kind)
        for index, table in enumerate(document.get(kind, [])):
            place = Place(file, lines[index] if index < len(lines) else 0)
            try:
                built = build({**defaults, **table} if kind == "rule" else table, place, read, settings)
            except _Bad as error:
                problems.error(place, str(error))
                continue
            if built is not None:
                out.append(built)
    return out


def _lines(text: bytes, kind: str) -> list[int]:
    # tomllib does not say where a table stood; the headers of an array of tables come in order, which is
    # enough.
    header = re.compile(rb"^\s*\[\[\s*" + kind.encode() + rb"\s*\]\]")
    return [number for number, line in enumerate(text.split(b"\n"), 1) if header.match(line)]


def verdict_rules(settings: Settings) -> list[Statement]:
    """The rules that compare the sum with the threshold: at the end of the body phase and of an answer's,
    and early if asked for."""
    out: list[Statement] = []
    for phase, rule_id, threshold in (
        *(((1, VERDICT_RULE - 1, settings.threshold),) if settings.early_blocking else ()),
        (2, VERDICT_RULE, settings.threshold),
        (4, VERDICT_RULE - 2, settings.outbound_threshold),
    ):
        out.append(
            Rule(
                id=rule_id,
                phase=phase,
                links=(
                    Link(
                        targets=(Target("TX", key=SCORE),),
                        operator=Operator("ge", Macro((), b"%d" % threshold)),
                    ),
                ),
                action="deny",
                message=parse_macro(b"The score %{tx.edge_score} reaches the threshold"),
                tags=("anomaly-evaluation",),
                bookkeeping=True,
                place=Place("edge/l7/waf/native.py", 0),
            )
        )
    return out


# -- rules ----------------------------------------------------------------------


def _rule(
    table: Mapping[str, Any], place: Place, read: Callable[[str], bytes], settings: Settings
) -> Rule | None:
    unknown = sorted(table.keys() - _RULE_KEYS)
    if unknown:
        raise _Bad(f"unknown key {unknown[0]}")
    rule_id = table.get("id")
    if not isinstance(rule_id, int) or rule_id <= 0:
        raise _Bad("a rule needs an id")
    paranoia = int(table.get("paranoia", 1))
    if paranoia > max(settings.paranoia, settings.detection_paranoia):
        return None
    score = int(table.get("score", 0))
    action = str(table.get("action", "score" if score else "log"))
    if action not in {"block", "allow", "log", "score"}:
        raise _Bad(f"unknown action {action}")
    matches = table.get("match")
    if not matches:
        raise _Bad("a rule needs a match")
    links = [_link(table, one, read) for one in (matches if isinstance(matches, list) else [matches])]
    family = str(table.get("family", "custom"))
    if score and action == "score":
        names = [DETECTION_SCORE] + ([SCORE] if paranoia <= settings.paranoia else [])
        counts = tuple(SetVar(Macro((), name), "+", Macro((), b"%d" % score)) for name in names)
        # One rule counts once, however many values it finds: the sum says how many different signs there are.
        links.append(Link((), None, setvars=counts))
    phase = str(table.get("phase", "body"))
    if phase not in _PHASES:
        raise _Bad(f"unknown phase {phase}")
    disruption: dict[str, Disruption] = {"block": "deny", "allow": "allow"}
    return Rule(
        id=rule_id,
        phase=_PHASES[phase],
        links=tuple(links),
        action=disruption.get(action, "pass"),
        status=int(table.get("status", 403)),
        severity=str(table.get("severity", _SEVERITY.get(score, "NOTICE"))),
        message=parse_macro(str(table.get("msg", "")).encode()),
        tags=(f"attack-{family}", f"paranoia-level/{paranoia}", *map(str, table.get("tags", ()))),
        paranoia=paranoia,
        explanation=" ".join(str(table.get("why", "")).split()),
        place=place,
    )


def _link(table: Mapping[str, Any], match: Any, read: Callable[[str], bytes]) -> Link:
    if not isinstance(match, dict):
        raise _Bad("match is a table, for example { rx = '...' }")
    local = {key: value for key, value in match.items() if key in {"targets", "form", "transform", "not"}}
    tests = {key: value for key, value in match.items() if key not in local}
    if len(tests) != 1:
        raise _Bad("match has exactly one test")
    names = local.get("targets", table.get("targets"))
    targets = tuple(_target(str(name)) for name in names) if names is not None else _DEFAULT_TARGETS
    if Target("REQUEST_HEADERS") in targets:
        # "cookies" is the way to look at cookies, one by one.
        targets += (Target("REQUEST_HEADERS", key=b"cookie", exclude=True),)
    transforms = _transforms({**table, **local})
    (kind, argument), negated = next(iter(tests.items())), bool(local.get("not", False))
    if kind == "size_gt":
        transforms += ("length",)
    if kind in {"count_gt", "count_eq"}:
        targets = tuple(Target(t.collection, t.key, t.pattern, count=True) for t in targets)
    operator = _operator(kind, argument, negated, read)
    try:
        check_operator(operator)
    except PatternError as error:
        raise _Bad(f"RE2 cannot run the pattern: {error}") from None
    except ValueError as error:
        raise _Bad(f"{kind}: {error}") from None
    return Link(targets, operator, transforms)


def _transforms(table: Mapping[str, Any]) -> tuple[str, ...]:
    if "transform" in table:
        names = tuple(str(name).lower() for name in table["transform"])
    else:
        form = str(table.get("form", "raw"))
        if form not in FORMS:
            raise _Bad(f"unknown form {form}")
        names = FORMS[form]
    for name in names:
        if name not in TRANSFORMS:
            raise _Bad(f"unknown transformation {name}")
    return names


def _target(text: str) -> Target:
    exclude = text.startswith("!")
    name, colon, key = text.lstrip("!").partition(":")
    collection = TARGETS.get(name, name.upper())
    if collection not in COLLECTIONS:
        raise _Bad(f"unknown target {text}")
    if not colon:
        return Target(collection, exclude=exclude)
    if key.startswith("/") and key.endswith("/") and len(key) > 2 and collection != "XML":
        return Target(collection, pattern=_pattern(key[1:-1]), exclude=exclude)
    return Target(collection, key=key.lower().encode(), exclude=exclude)


def _pattern(text: str) -> bytes:
    pattern = text.encode("utf-8")
    try:
        compile_pattern(pattern)
    except PatternError as error:
        raise _Bad(f"RE2 cannot run the pattern: {error}") from None
    return pattern


def _operator(kind: str, argument: Any, negated: bool, read: Callable[[str], bytes]) -> Operator:
    def plain(name: str, value: bytes) -> Operator:
        return Operator(name, Macro((), value), negated)

    if kind == "rx":
        # A pattern of several lines is written for people: blanks at the ends of lines and line breaks do not
        # count.
        joined = "".join(line.strip() for line in str(argument).splitlines())
        # Rule files are UTF-8, the engine reads bytes: "é" in a pattern means its two bytes.
        return plain("rx", joined.encode())
    if kind in {"any", "words"}:
        phrases = tuple(str(phrase).encode() for phrase in argument)
        if not phrases:
            raise _Bad(f"{kind} needs at least one phrase")
        if kind == "any":
            return Operator("pm", Macro((), b" ".join(phrases)), negated, phrases)
        edges = b"|".join(quote(phrase) for phrase in phrases)
        return plain("rx", rb"(?i)\b(?:" + edges + rb")\b")
    if kind == "in_file":
        try:
            lines = read(str(argument)).splitlines()
        except OSError as error:
            raise _Bad(f"cannot read {argument}: {error.strerror}") from None
        kept = tuple(line.strip() for line in lines if line.strip() and not line.startswith(b"#"))
        return Operator("pm", Macro((), str(argument).encode()), negated, kept)
    if kind == "ip":
        return Operator("ipmatch", Macro((), b" ".join(str(one).encode() for one in argument)), negated)
    simple = {
        "contains": "contains",
        "equals": "streq",
        "prefix": "beginswith",
        "suffix": "endswith",
        "size_gt": "gt",
        "count_gt": "gt",
        "count_eq": "eq",
        "gt": "gt",
        "lt": "lt",
        "sqli": "detectsqli",
        "xss": "detectxss",
        "bytes_outside": "validatebyterange",
        "bad_utf8": "validateutf8encoding",
    }
    if kind not in simple:
        raise _Bad(f"unknown test {kind}")
    text = b"" if argument is True else str(argument).encode()
    # A comparison may name another part of the request: contains = "://%{request_headers.host}/".
    return Operator(simple[kind], parse_macro(text), negated) if b"%{" in text else plain(simple[kind], text)


# -- exclusions -----------------------------------------------------------------


def _exclusion(
    table: Mapping[str, Any], place: Place, _read: Callable[[str], bytes], _settings: Settings
) -> Exclusion:
    unknown = sorted(table.keys() - _EXCLUDE_KEYS)
    if unknown:
        raise _Bad(f"unknown key {unknown[0]}")
    if not str(table.get("reason", "")).strip():
        raise _Bad("an exclusion needs a reason")
    ranges: list[tuple[int, int]] = []
    tags: list[str] = []
    for word in table.get("rules", ()):
        text = str(word)
        if text.startswith("tag:"):
            tags.append(re.escape(text[4:]))
            continue
        low, dash, high = text.partition("-")
        try:
            ranges.append((int(low), int(high) if dash else int(low)))
        except ValueError:
            raise _Bad(f"{text!r} is no rule id, no range of ids and no tag:...") from None
    if not ranges and not tags:
        raise _Bad("an exclusion names its rules")
    when = table.get("when", {})
    for key in when:
        if key not in {"host", "path", "path_prefix", "method"}:
            raise _Bad(f"unknown condition {key}")
    methods = when.get("method", ())
    return Exclusion(
        selector=Selector(tuple(ranges), "|".join(tags).encode()),
        targets=tuple(_target(str(name)) for name in table.get("targets", ())),
        host=str(when.get("host", "")).lower(),
        path_prefix=str(when.get("path_prefix", "")),
        path=str(when.get("path", "")),
        methods=(methods,) if isinstance(methods, str) else tuple(map(str, methods)),
        reason=str(table["reason"]),
        expires_unix_s=_expiry(table.get("expires")),
        place=place,
    )


def _expiry(value: Any) -> float:
    if value is None:
        return 0.0
    if isinstance(value, datetime.datetime):
        return (value if value.tzinfo else value.replace(tzinfo=datetime.UTC)).timestamp()
    if isinstance(value, datetime.date):
        # The day named is the last one on which the exclusion holds.
        end = datetime.datetime(value.year, value.month, value.day, tzinfo=datetime.UTC) + datetime.timedelta(
            days=1
        )
        return end.timestamp()
    raise _Bad("expires is a date")
