"""How does a SecLang file (`*.conf`) become rules?

`SecRule TARGETS OPERATOR ACTIONS`; a rule with `chain` continues in the next SecRule.  The file is cut into
directives by `edge.l7.waf.seclang_lines`, targets and operators are read by `edge.l7.waf.seclang_words`.

Nothing is ignored silently.  A directive this engine does not have is an error with file and line; one that
merely configures ModSecurity itself is noted; a rule that needs something the edge refuses on purpose
(persistent collections, geography, Lua, look-around) is left out and noted.

`Include` and the files that operators name are read by the caller: `read` maps a name, as written, to its
bytes."""

from collections.abc import Callable
from dataclasses import dataclass, field

from edge.l7.waf.actions import ActionError, Actions, parse_actions
from edge.l7.waf.form import (
    Link,
    Macro,
    Marker,
    Operator,
    Phase,
    Place,
    Reaction,
    Removal,
    Retarget,
    Rule,
    Selector,
    Statement,
    Target,
)
from edge.l7.waf.operators import OPERATOR_NAMES, REFUSED_OPERATORS, check_operator
from edge.l7.waf.problem import Problems
from edge.l7.waf.regex import PatternError, compile_pattern
from edge.l7.waf.seclang_lines import Directive, directives
from edge.l7.waf.seclang_words import parse_operator, parse_target, split_targets
from edge.l7.waf.transform import TRANSFORMS
from edge.l7.waf.variables import COLLECTIONS, REFUSED_COLLECTIONS

# Reads a file that a rule names ("unix-shell.data"), relative to the file that names it.
Reader = Callable[[str], bytes]
# The statements of the files that a pattern names, as written; where it stands; whether there have to be any.
Include = Callable[[str, Place, bool], list[Statement]]

# They set up ModSecurity itself; here edge.toml does, so they are noted and change nothing.
_ENGINE_SETTINGS = frozenset(
    name.lower()
    for name in [
        "SecRuleEngine",
        "SecRequestBodyAccess",
        "SecResponseBodyAccess",
        "SecRequestBodyLimit",
        "SecRequestBodyNoFilesLimit",
        "SecRequestBodyLimitAction",
        "SecRequestBodyJsonDepthLimit",
        "SecRequestBodyInMemoryLimit",
        "SecPcreMatchLimit",
        "SecPcreMatchLimitRecursion",
        "SecResponseBodyMimeType",
        "SecResponseBodyLimit",
        "SecResponseBodyLimitAction",
        "SecTmpDir",
        "SecDataDir",
        "SecUploadDir",
        "SecUploadFileMode",
        "SecUploadKeepFiles",
        "SecAuditEngine",
        "SecAuditLogRelevantStatus",
        "SecAuditLogParts",
        "SecAuditLogType",
        "SecAuditLog",
        "SecAuditLogFormat",
        "SecAuditLogStorageDir",
        "SecDebugLog",
        "SecDebugLogLevel",
        "SecArgumentSeparator",
        "SecArgumentsLimit",
        "SecCookieFormat",
        "SecUnicodeMapFile",
        "SecStatusEngine",
        "SecCollectionTimeout",
        "SecTmpSaveUploadedFiles",
        "SecServerSignature",
        "SecWebAppId",
        "SecGeoLookupDb",
        "SecHttpBlKey",
    ]
)


@dataclass(slots=True)
class _Chain:
    """A rule whose `chain` has not ended yet."""

    first: Actions
    place: Place
    links: list[Link] = field(default_factory=list)
    usable: bool = True


class SecLang:
    """Reads one file after the other; SecDefaultAction carries over, as in ModSecurity."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._defaults: dict[Phase, Actions] = {}
        self._chain: _Chain | None = None

    def parse(self, text: bytes, file: str, read: Reader, include: Include) -> list[Statement]:
        """Every statement of one file, in order."""
        out: list[Statement] = []
        for directive in directives(text, file, self._problems):
            if self._chain is not None and directive.name.lower() != "secrule":
                self._problems.error(self._chain.place, "the chain has no next SecRule")
                self._chain = None
            out.extend(self._statement(directive, read, include))
        if self._chain is not None:
            self._problems.error(self._chain.place, "the chain has no next SecRule")
            self._chain = None
        return out

    def _statement(self, directive: Directive, read: Reader, include: Include) -> list[Statement]:
        name, arguments, place = directive.name.lower(), directive.arguments, directive.place
        needed = _ARGUMENTS.get(name)
        if needed is not None and not needed[0] <= len(arguments) <= needed[1]:
            self._problems.error(
                place, f"{directive.name} takes {needed[0]} to {needed[1]} arguments, not {len(arguments)}"
            )
            return []
        try:
            match name:
                case "secrule":
                    actions = parse_actions(arguments[2]) if len(arguments) == 3 else Actions()
                    return self._rule(arguments[0], arguments[1], actions, place, read)
                case "secaction":
                    return self._rule(b"", None, parse_actions(arguments[0]), place, read)
                case "secmarker":
                    return [Marker(arguments[0].strip(b"'").decode("latin-1"))]
                case "secdefaultaction":
                    actions = parse_actions(arguments[0])
                    self._defaults[actions.phase or 2] = actions
                    return []
                case "secruleremovebyid":
                    return [Removal(_ids(b" ".join(arguments)), place)]
                case "secruleremovebytag":
                    return [Removal(Selector(tag=arguments[0]), place)]
                case "secruleremovebymsg":
                    return [Removal(Selector(message=arguments[0]), place)]
                case "secruleupdatetargetbyid" | "secruleupdatetargetbytag":
                    by_id = name.endswith("id")
                    selector = _ids(arguments[0]) if by_id else Selector(tag=arguments[0])
                    return [Retarget(selector, self._targets(arguments[1]), place)]
                case "secruleupdateactionbyid":
                    actions = parse_actions(arguments[1])
                    return [Reaction(_ids(arguments[0]), actions.action, actions.status, place)]
                case "include" | "includeoptional":
                    return include(arguments[0].decode("utf-8", "replace"), place, name == "include")
                case "seccomponentsignature":
                    return []
        except (ActionError, _Bad) as error:
            self._problems.error(place, str(error))
            self._chain = None
            return []
        if name in _ENGINE_SETTINGS:
            self._problems.note(
                place, f"{directive.name} has no effect here: see the waf section of edge.toml"
            )
        else:
            self._problems.error(place, f"unknown directive {directive.name}")
        return []

    # -- rules ----------------------------------------------------------------

    def _rule(
        self, targets: bytes, operator: bytes | None, actions: Actions, place: Place, read: Reader
    ) -> list[Statement]:
        chain = self._chain or _Chain(actions, place)
        self._chain = None
        starts = chain.first is actions
        if starts and not actions.id:
            raise _Bad("the rule has no id")
        try:
            for name in actions.refused:
                raise _Refused(f"the action {name} is not supported here")
            if actions.forgotten:
                what = ", ".join(actions.forgotten)
                self._problems.note(
                    place, f"rule {chain.first.id}: {what} is dropped, nothing outlives the request"
                )
            unknown = [name for name in actions.transforms if name not in TRANSFORMS]
            if unknown:
                raise _Bad(f"unknown transformation t:{unknown[0]}")
            chain.links.append(
                Link(
                    targets=self._targets(targets) if operator is not None else (),
                    operator=self._operator(operator, read) if operator is not None else None,
                    transforms=self._transforms(actions, chain.first.phase or 2),
                    multi_match=actions.multi_match,
                    capture=actions.capture,
                    setvars=actions.setvars,
                    controls=actions.controls,
                )
            )
        except _Refused as refused:
            if chain.usable:
                self._problems.note(chain.place, f"rule {chain.first.id} is left out: {refused}")
            chain.usable = False
        if actions.chain:
            self._chain = chain
            return []
        return [self._finish(chain)] if chain.usable else []

    def _finish(self, chain: _Chain) -> Rule:
        first = chain.first
        phase: Phase = first.phase or 2
        default = self._defaults.get(phase, Actions())
        # `block` means: whatever SecDefaultAction says for this phase.
        action = default.action or "pass" if first.action in {None, "block"} else first.action
        assert action is not None
        return Rule(
            id=first.id,
            phase=phase,
            links=tuple(chain.links),
            action="pass" if action == "block" else action,
            status=first.status or default.status or 403,
            severity=first.severity,
            message=first.message,
            log_data=first.log_data,
            tags=first.tags,
            log=first.log if first.log is not None else default.log is not False,
            skip_after=first.skip_after,
            paranoia=_paranoia(first.tags),
            bookkeeping=_is_bookkeeping(chain.links, first.id),
            place=chain.place,
        )

    def _transforms(self, actions: Actions, phase: Phase) -> tuple[str, ...]:
        inherited = () if actions.transforms_cleared else self._defaults.get(phase, Actions()).transforms
        return inherited + actions.transforms

    def _targets(self, text: bytes) -> tuple[Target, ...]:
        found = tuple(parse_target(part) for part in split_targets(text))
        for target in found:
            if target.collection in REFUSED_COLLECTIONS:
                raise _Refused(f"{target.collection} needs {REFUSED_COLLECTIONS[target.collection]}")
            if target.collection not in COLLECTIONS:
                raise _Bad(f"unknown variable {target.collection}")
            if target.pattern is not None:
                try:
                    compile_pattern(target.pattern)
                except PatternError as error:
                    raise _Refused(
                        f"the selector of {target} is not a regular expression RE2 can run: {error}"
                    ) from None
        return found

    def _operator(self, text: bytes, read: Reader) -> Operator:
        operator = parse_operator(text)
        if operator.name in REFUSED_OPERATORS:
            raise _Refused(f"@{operator.name} {REFUSED_OPERATORS[operator.name]}")
        if operator.name not in OPERATOR_NAMES:
            raise _Bad(f"unknown operator @{operator.name}")
        constant = operator.argument.constant
        if operator.name in {"pmfromfile", "pmf", "ipmatchfromfile", "ipmatchf"}:
            lines: list[bytes] = []
            for file in (constant or b"").decode("utf-8", "replace").split():
                try:
                    lines.extend(read(file).splitlines())
                except OSError as error:
                    raise _Bad(f"cannot read {file}: {error.strerror}") from None
            phrases = tuple(
                line.strip() for line in lines if line.strip() and not line.lstrip().startswith(b"#")
            )
            name = "ipmatch" if operator.name.startswith("ip") else "pm"
            operator = Operator(name, Macro((), constant or b""), operator.negated, phrases)
        try:
            check_operator(operator)
        except PatternError as error:
            if not any(words in str(error) for words in _NOT_IN_RE2):
                raise _Bad(f"its pattern is none: {error}") from None
            raise _Refused(f"RE2 cannot run its pattern: {error}") from None
        except ValueError as error:
            raise _Bad(f"the argument of @{operator.name} is none: {error}") from None
        return operator


# Look-around, back references, possessive repetition, and what would need more memory than a pattern gets:
# right in PCRE, left out here.  Whatever else RE2 refuses nobody could run.
_NOT_IN_RE2 = ("invalid perl operator", "invalid escape sequence", "bad repetition operator", "too large")


class _Bad(ValueError):
    """The directive is wrong."""


class _Refused(ValueError):
    """The rule is right, but needs something the edge does not do."""


_ARGUMENTS = {
    "secrule": (2, 3),
    "secaction": (1, 1),
    "secmarker": (1, 1),
    "secdefaultaction": (1, 1),
    "secruleremovebyid": (1, 1000),
    "secruleremovebytag": (1, 1),
    "secruleremovebymsg": (1, 1),
    "secruleupdatetargetbyid": (2, 3),
    "secruleupdatetargetbytag": (2, 3),
    "secruleupdateactionbyid": (2, 2),
    "include": (1, 1),
    "includeoptional": (1, 1),
    "seccomponentsignature": (1, 1),
}


def _ids(text: bytes) -> Selector:
    ranges: list[tuple[int, int]] = []
    for word in text.replace(b",", b" ").split():
        low, dash, high = word.partition(b"-")
        try:
            ranges.append((int(low), int(high) if dash else int(low)))
        except ValueError:
            raise _Bad(f"{word.decode('latin-1')} is neither a rule id nor a range of ids") from None
    return Selector(ranges=tuple(ranges))


def _paranoia(tags: tuple[str, ...]) -> int:
    for tag in tags:
        if tag.startswith("paranoia-level/") and tag[15:].isdigit():
            return int(tag[15:])
    return 1


def _is_bookkeeping(links: list[Link], rule_id: int) -> bool:
    """Does the first link look at nothing but the engine's own variables?  Then it is never the reason for a
    block."""
    if 901_000 <= rule_id < 906_000 or 949_000 <= rule_id < 950_000 or 980_000 <= rule_id < 981_000:
        return True
    if 959_000 <= rule_id < 960_000:
        return True
    return all(target.collection == "TX" for target in links[0].targets) and len(links) == 1
