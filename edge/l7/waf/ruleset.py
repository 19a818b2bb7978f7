"""Which rules are in force, once removals and updates have had their say?

Statements come in file order.  A removal or update changes the rules that stand before it, as in ModSecurity;
exclusions are kept aside because they depend on the request."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from edge.l7.waf.form import (
    Exclusion,
    Marker,
    Place,
    Reaction,
    Removal,
    Retarget,
    Rule,
    Selector,
    Statement,
)
from edge.l7.waf.problem import Problems


@dataclass(frozen=True, slots=True)
class Settings:
    """How sure must the firewall be, and how much may it look at?

    Precedents: threshold 5 and paranoia 1 are the Core Rule Set's defaults; 4 for answers as well.
    `variables` are initial transaction variables (`crs-setup.conf` in the form of values); `validate_utf8`
    switches the CRS check on.  `body_bytes_max`: over it a body is refused with 413 rather than let through
    half-inspected.  `budget_s`, and more for each byte: time one request may cost; `on_budget` says what
    happens to one that costs more."""

    blocks: bool = True
    paranoia: int = 1
    detection_paranoia: int = 1
    threshold: int = 5
    outbound_threshold: int = 4
    early_blocking: bool = False
    variables: tuple[tuple[bytes, bytes], ...] = ()
    body_bytes_max: int = 128 * 1024
    budget_s: float = 0.013
    budget_s_per_byte: float = 1e-6
    on_budget_block: bool = True

    def initial(self) -> dict[bytes, bytes]:
        """The transaction variables that every request starts with."""
        first = {
            b"crs_setup_version": b"4280",
            b"inbound_anomaly_score_threshold": b"%d" % self.threshold,
            b"outbound_anomaly_score_threshold": b"%d" % self.outbound_threshold,
            b"blocking_paranoia_level": b"%d" % self.paranoia,
            b"detection_paranoia_level": b"%d" % max(self.paranoia, self.detection_paranoia),
            # The names of CRS 3.
            b"paranoia_level": b"%d" % self.paranoia,
            b"executing_paranoia_level": b"%d" % max(self.paranoia, self.detection_paranoia),
            b"early_blocking": b"%d" % self.early_blocking,
        }
        first.update(self.variables)
        return first


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules and markers in order, the exclusions, and what the operator should know about the load."""

    statements: tuple[Rule | Marker, ...]
    exclusions: tuple[Exclusion, ...] = ()
    settings: Settings = field(default_factory=Settings)
    notes: tuple[str, ...] = ()
    # Do the files that this came from say something else by now?
    is_outdated: Callable[[], bool] = field(default=lambda: False, compare=False)

    @property
    def rules(self) -> list[Rule]:
        """The rules alone."""
        return [statement for statement in self.statements if isinstance(statement, Rule)]


def assemble(statements: Iterable[Statement], settings: Settings, problems: Problems) -> RuleSet:
    """Apply removals and updates in order.  Raises `RuleError` through `problems` if an id is used twice."""
    kept: list[Rule | Marker] = []
    exclusions: list[Exclusion] = []
    seen: dict[int, Place] = {}
    for statement in statements:
        match statement:
            case Rule():
                if statement.id in seen:
                    problems.error(
                        statement.place, f"rule id {statement.id} is used already at {seen[statement.id]}"
                    )
                seen[statement.id] = statement.place
                kept.append(statement)
            case Marker():
                kept.append(statement)
            case Removal(selector):
                kept = [item for item in kept if isinstance(item, Marker) or not selects(selector, item)]
            case Retarget(selector, targets):
                kept = [
                    _retargeted(item, targets) if isinstance(item, Rule) and selects(selector, item) else item
                    for item in kept
                ]
            case Reaction(selector, action, status):
                kept = [
                    replace(item, action=action or item.action, status=status or item.status)
                    if isinstance(item, Rule) and selects(selector, item)
                    else item
                    for item in kept
                ]
            case Exclusion():
                exclusions.append(statement)
    problems.raise_if_any()
    for exclusion in exclusions:
        if not any(isinstance(item, Rule) and selects(exclusion.selector, item) for item in kept):
            problems.note(exclusion.place, "the exclusion means none of the rules that are loaded")
    return RuleSet(tuple(kept), tuple(exclusions), settings, tuple(problems.notes))


def selects(selector: Selector, rule: Rule) -> bool:
    """Whether `selector` means `rule`.  Tag and message patterns are matched against rule texts, never
    against requests."""
    if selector.ranges and selector.names_id(rule.id):
        return True
    if selector.tag and any(_finds(selector.tag, tag) for tag in rule.tags):
        return True
    return bool(selector.message) and _finds(selector.message, str(rule.message))


def _finds(pattern: bytes, text: str) -> bool:
    words = pattern.decode("latin-1")
    try:
        return re.search(words, text) is not None
    except re.error:
        return words == text


def _retargeted(rule: Rule, targets: tuple[object, ...]) -> Rule:
    first = rule.links[0]
    return replace(rule, links=(replace(first, targets=first.targets + targets), *rule.links[1:]))  # type: ignore[operator]
