"""Which rules match this request, in the order and with the side effects that the rules ask for?

This is the exact engine: it walks steps, evaluates chains, sets variables, applies `ctl`, and writes down
what matched.  It decides nothing about which steps to walk; `Program` (see `program`) hands it all of them or
only those that can matter, and both have to come to the same result.

State: one `Run` per request, thrown away after the verdict.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache

from edge.l7.waf.compiled import CompiledLink, Found, Step, excludes
from edge.l7.waf.expand import expand
from edge.l7.waf.form import Control, Macro, Phase, Rule, Selector, SetVar
from edge.l7.waf.matcher import TooDear, Watch
from edge.l7.waf.operators import number
from edge.l7.waf.redaction import uncut, without_secrets
from edge.l7.waf.request import FRAGMENT_BYTES_MAX, NAME_BYTES_MAX, Match
from edge.l7.waf.seclang_words import parse_target
from edge.l7.waf.variables import Transaction

# One request can make at most this many entries in a verdict; the count goes on in the score.
MATCHES_MAX = 200
# Variables that one request's rules may create.  CRS makes one per argument at paranoia 3.
VARIABLES_MAX = 4000

Away = Callable[[str, bytes], bool]


class OutOfTime(Exception):
    """The time for this inspection is used up in the middle of a rule."""


class Run:
    """One request on its way through the rules."""

    __slots__ = (
        "allowed",
        "blocked_by",
        "budget_s",
        "dirty",
        "engine_off",
        "excluded",
        "found",
        "hostile",
        "hurried",
        "over_budget",
        "points",
        "possible",
        "quiet_phases",
        "removed",
        "removed_targets",
        "silent",
        "stop_on_block",
        "suspects",
        "transaction",
        "watch",
    )

    def __init__(self, transaction: Transaction, stop_on_block: bool) -> None:
        self.transaction = transaction
        self.stop_on_block = stop_on_block
        self.found: list[Match] = []
        self.blocked_by: Rule | None = None
        self.allowed = False
        self.engine_off = False
        self.points = 0
        # A rule has changed variables that others read, so nothing known in advance about them holds any
        # more.
        self.dirty = False
        self.budget_s = 0.0  # with a watch: the time that this inspection may take
        self.over_budget = False
        # What the program found out before it walks: which rules may match in which values (None: not asked
        # yet), and phases whose rules about headers have nothing to say.  `hostile`: text that is dear to
        # search.
        self.possible: dict[tuple[Phase, int], set[bytes]] | None = None
        self.suspects: dict[Step, set[bytes]] = {}
        self.quiet_phases: frozenset[int] = frozenset()
        # `hurried`: rather give up than take long.
        self.hostile = False
        self.silent = False  # no rule of phase 1 or 2 has anything to say
        self.hurried = False
        self.watch: Watch | None = None
        self.removed: list[Selector] = []
        self.removed_targets: list[tuple[Selector, Away]] = []
        self.excluded: list[int] = []

    @property
    def over(self) -> bool:
        """Nothing that follows can change the verdict."""
        return (
            self.allowed
            or self.engine_off
            or self.over_budget
            or (self.stop_on_block and self.blocked_by is not None)
        )

    def is_late(self) -> bool:
        """Whether the time for this inspection is used up.  Raises `TooDear` in a hurry."""
        self.mind_the_hurry()
        return self.watch is not None and self.watch.used_up(self.budget_s)

    def mind_the_time(self) -> None:
        """Raise `OutOfTime` when this inspection is late, or `TooDear` in a hurry."""
        if self.is_late():
            raise OutOfTime

    def mind_the_hurry(self) -> None:
        """Raise `TooDear` when a hurried inspection takes long."""
        if self.hurried and self.watch is not None and self.watch.is_impatient():
            raise TooDear

    def is_removed(self, step: Step) -> bool:
        """Whether a `ctl` or an exclusion switched this rule off for this request."""
        return any(step.is_selected(selector) for selector in self.removed)


def walk(steps: Iterable[tuple[int, Step]], run: Run) -> int:
    """Evaluate steps in order until the end, a block, or the first change of shared variables while clean.

    Returns the position to go on from: -1 when the phase is over.
    """
    skip_to = -1
    was_dirty = run.dirty
    transaction = run.transaction
    for position, step in steps:
        if position < skip_to:
            continue
        if not run.dirty:
            transaction.tx = step.snapshot
            transaction.tx_shared = True
        if step.asks_first and step.is_silent(transaction):
            continue
        if run.is_late():
            run.over_budget = True
            return -1
        if run.removed and run.is_removed(step):
            run.excluded.append(step.rule.id)
            continue
        try:
            matched = evaluate(step, run)
        except OutOfTime:
            run.over_budget = True
            return -1
        if matched:
            if step.skip_to > position:
                skip_to = step.skip_to
            if run.over:
                return -1
        if run.dirty and not was_dirty:
            return max(position + 1, skip_to)
    return -1


def evaluate(step: Step, run: Run) -> bool:
    """Run one chain.  True when every link matched."""
    rule, transaction = step.rule, run.transaction
    points_before = run.points
    first: Found | None = None
    shown = step.links[0]
    away = _away(step, run) if run.removed_targets else None
    touched = False
    mind = run.mind_the_time if run.watch is not None else None
    for link in step.links:
        last: Found | None = None
        matched_all: list[tuple[bytes, bytes]] = []
        found_in = (
            link.matches(transaction, away, run.suspects.get(step), mind)
            if link is step.links[0]
            else link.matches(transaction)
        )
        for found in found_in:
            last = found
            # Variables of the engine's own explain nothing; the value from the request does.
            if first is None or (first[0] == "TX" and found[0] not in {"TX", ""}):
                first, shown = found, link
            collection, key, value, hit = found
            if link.test is not None:
                transaction.matched = value
                name = b"%s:%s" % (collection.encode(), key) if key else collection.encode()
                transaction.matched_name = name
                matched_all.append((name, value))
            if link.link.capture and hit[1]:
                _capture(transaction, hit[1])
            if link.link.setvars:
                touched = True
                for setvar in link.link.setvars:
                    set_variable(setvar, run)
            for control in link.link.controls:
                _control(control, run)
        if last is None:
            if touched and not step.rule_is_private:
                run.dirty = True
            elif touched:
                run.points = points_before
            return False
        transaction.matched_all = matched_all
    if touched or rule.skip_after or rule.action not in {"pass", "block"}:
        run.dirty = True
    if rule.log or not rule.bookkeeping:
        _record(step, run, first, shown, run.points - points_before)
    if rule.action in {"deny", "drop", "redirect", "block"}:
        run.blocked_by = run.blocked_by or rule
    elif rule.action == "allow":
        run.allowed = True
    return True


def _away(step: Step, run: Run) -> Away | None:
    mine = [away for selector, away in run.removed_targets if step.is_selected(selector)]
    if not mine:
        return None
    rule = step.rule

    def removed(collection: str, key: bytes) -> bool:
        if any(away(collection, key) for away in mine):
            if not run.excluded or run.excluded[-1] != rule.id:
                run.excluded.append(rule.id)
            return True
        return False

    return removed


_DIGITS = tuple(b"%d" % digit for digit in range(10))


def _capture(transaction: Transaction, groups: tuple[bytes, ...]) -> None:
    variables = transaction.own_tx()
    for index, digit in enumerate(_DIGITS):
        if index < len(groups):
            variables[digit] = groups[index]
        else:
            variables.pop(digit, None)


# Sums that say how bad a match is: CRS 4, CRS 3, both about answers, and the native rules.
_POINTS = (
    b"inbound_anomaly_score_pl",
    b"anomaly_score_pl",
    b"outbound_anomaly_score_pl",
    b"edge_detection_score",
)


def set_variable(setvar: SetVar, run: Run) -> None:
    """Apply one setvar."""
    variables = run.transaction.own_tx()
    constant = setvar.name.constant
    name = (constant if constant is not None else expand(setvar.name, run.transaction)).lower()
    if setvar.how == "!":
        variables.pop(name, None)
        return
    value = expand(setvar.value, run.transaction)
    if setvar.how != "=":
        amount = number(value)
        if name.startswith(_POINTS) and setvar.how == "+":
            run.points += amount
        value = b"%d" % (number(variables.get(name, b"0")) + (amount if setvar.how == "+" else -amount))
    if name in variables or len(variables) < VARIABLES_MAX:
        variables[name] = value


def _control(control: Control, run: Run) -> None:
    name, value = control.name, control.value
    transaction = run.transaction
    if name == "requestbodyprocessor":
        transaction.forced_processor = value.upper()
    elif name == "forcerequestbodyvariable":
        transaction.force_body = value.lower() == "on"
    elif name == "ruleengine":
        if value.lower() == "off":
            run.engine_off = True
        elif value.lower() == "detectiononly":
            run.stop_on_block = False
    elif name == "ruleremovebyid":
        _remove(selector_of_ids(value), run)
    elif name == "ruleremovebytag":
        _remove(Selector(tag=value.encode("latin-1")), run)
    elif name == "ruleremovebymsg":
        _remove(Selector(message=value.encode("latin-1")), run)
    elif name in {"ruleremovetargetbyid", "ruleremovetargetbytag"}:
        which, _, target = value.partition(";")
        selector = selector_of_ids(which) if name.endswith("id") else Selector(tag=which.encode("latin-1"))
        run.removed_targets.append((selector, _excluder(target)))


@lru_cache(maxsize=256)
def _excluder(target: str) -> Away:
    return excludes(parse_target(target.encode("latin-1")))


def _remove(selector: Selector, run: Run) -> None:
    run.removed.append(selector)
    # A removed rule may be one whose outcome was taken for granted.
    run.dirty = True


def selector_of_ids(text: str) -> Selector:
    """`942100`, `942100-942199`, blank or comma separated."""
    ranges: list[tuple[int, int]] = []
    for word in text.replace(",", " ").split():
        low, _, high = word.partition("-")
        ranges.append((int(low), int(high or low)))
    return Selector(ranges=tuple(ranges))


TOLD_CHARS_MAX = 300


def _told(text: Macro, run: Run) -> str:
    # A whole body may be in it: only what is kept is decoded.  A character has four bytes at most.
    return expand(text, run.transaction)[: 4 * TOLD_CHARS_MAX].decode("utf-8", "replace")[:TOLD_CHARS_MAX]


def _name(key: bytes) -> str:
    name = without_secrets(key[:NAME_BYTES_MAX].decode("utf-8", "replace"))
    return name if len(key) <= NAME_BYTES_MAX else name + "..."


def _record(step: Step, run: Run, first: Found | None, shown: CompiledLink, points: int) -> None:
    if len(run.found) >= MATCHES_MAX:
        return
    rule = step.rule
    collection, key, value, hit = first or ("", b"", b"", (-1, ()))
    offset = hit[0]
    begin = uncut(value, max(0, offset - FRAGMENT_BYTES_MAX // 4)) if offset > 0 else 0
    link = shown.link
    run.found.append(
        Match(
            id=rule.id,
            message=_told(rule.message, run),
            severity=rule.severity,
            points=points,
            phase=rule.phase,
            paranoia=rule.paranoia,
            variable=f"{collection}:{_name(key)}" if key else collection,
            value=value[begin : begin + FRAGMENT_BYTES_MAX],
            offset=offset,
            transforms=link.transforms,
            tags=rule.tags,
            place=str(rule.place),
            operator=str(link.operator)[:200] if link.operator else "",
            log_data=_told(rule.log_data, run),
            explanation=rule.explanation,
            bookkeeping=rule.bookkeeping or not rule.log,
        )
    )
