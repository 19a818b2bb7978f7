"""Which steps have to be walked for this request?

`NaiveProgram` walks all of them.  `FastProgram` walks those that look at the request and that the prefilter
cannot rule out, and falls back to the full order from the first match on.  Both come to the same verdict; a
differential test holds them to it.

What depends only on the headers (without Cookie) repeats from request to request, so both the candidates of
each header line and "no header rule has anything to say" are remembered, bounded, by exact bytes."""

from collections import OrderedDict
from dataclasses import dataclass, field

from edge.l7.waf.compiled import Step
from edge.l7.waf.engine import Run, evaluate, walk
from edge.l7.waf.fold import Folded, fold
from edge.l7.waf.form import Marker, Phase, Target
from edge.l7.waf.prefilter import SEPARATOR, Group, anchored, crosses_lines, is_exotic, prefilter_pattern
from edge.l7.waf.request import WafRequest
from edge.l7.waf.ruleset import RuleSet
from edge.l7.waf.variables import COLLECTIONS, Transaction, xml_items

PHASES: tuple[Phase, ...] = (1, 2, 3, 4, 5)

# Header lines remembered per phase, and the longest one worth remembering.
LINES_MAX = 8192
LINE_BYTES_MAX = 1024
# Whole header blocks known to be quiet.
BLOCKS_MAX = 4096


def steps_by_phase(ruleset: RuleSet) -> dict[Phase, list[Step]]:
    """Compile every rule and resolve `skipAfter` to positions."""
    steps: dict[Phase, list[Step]] = {phase: [] for phase in PHASES}
    landing: dict[tuple[Phase, str], int] = {}
    for statement in ruleset.statements:
        if isinstance(statement, Marker):
            for phase in PHASES:
                landing[phase, statement.name] = len(steps[phase])
            continue
        steps[statement.phase].append(Step(statement))
        landing[statement.phase, str(statement.id)] = len(steps[statement.phase])
    for phase, members in steps.items():
        for step in members:
            if step.rule.skip_after:
                step.skip_to = landing.get((phase, step.rule.skip_after), len(members))
    return steps


class NaiveProgram:
    """Every step of a phase, in order: slow, obvious, and the oracle of the fast program."""

    def __init__(self, ruleset: RuleSet) -> None:
        self._steps = steps_by_phase(ruleset)
        self._initial = ruleset.settings.initial()

    def begin(self, run: Run) -> None:
        """Give the run its initial variables."""
        run.transaction.tx.update(self._initial)
        run.dirty = True

    def phase(self, number: Phase, run: Run) -> None:
        """Walk one phase."""
        walk(enumerate(self._steps[number]), run)


# Free text of the request.  Rules that look at several of these share one matcher; a rule that only looks at
# the path or only at names has another, or else every value would raise false alarms for it.
_PATH = frozenset(("REQUEST_FILENAME", "REQUEST_BASENAME"))
_NAMES = frozenset(("ARGS_NAMES", "ARGS_GET_NAMES", "ARGS_POST_NAMES", "REQUEST_COOKIES_NAMES"))
_UPLOAD = frozenset(("FILES", "FILES_NAMES", "MULTIPART_PART_HEADERS"))
_CONTENT = _PATH | _NAMES | _UPLOAD | frozenset(["ARGS", "ARGS_GET", "ARGS_POST", "REQUEST_COOKIES", "XML"])
# Values as most requests carry them.  A pattern that finds something here would raise false alarms among
# other rules' values.
_ORDINARY = SEPARATOR.join(
    (b"eyJhbGciOi.abc-DEF_12.xyz", b"hello world", b"/feed/timeline.html", b"lang", b"en", b"20")
)
# Empty as long as there is no body.
_OF_BODY = _UPLOAD | frozenset(("ARGS_POST", "ARGS_POST_NAMES", "REQUEST_BODY", "XML"))
_TARGET = frozenset(("REQUEST_URI", "REQUEST_URI_RAW", "QUERY_STRING"))
_RAW = frozenset(["REQUEST_LINE", "REQUEST_URI", "REQUEST_URI_RAW", "QUERY_STRING", "REQUEST_BODY"])
# The raw Cookie header, which rules for all headers see.
_COOKIE_LINE = "REQUEST_HEADERS:cookie"
_HEADER = frozenset(("REQUEST_HEADERS", "REQUEST_HEADERS_NAMES"))
_COOKIE = b"cookie"
_NOTHING_FOUND: frozenset[int] = frozenset()


@dataclass(slots=True)
class _FastPhase:
    """One phase, prepared."""

    folded: Folded
    always: list[int] = field(default_factory=list)  # not prefiltered and not only about headers
    header_only: list[int] = field(default_factory=list)
    lines: Group = field(default_factory=Group)
    # Name of the class -> its matcher and the collections whose values go through it.
    groups: dict[tuple[str, str], tuple[Group, set[str]]] = field(default_factory=dict)
    names_of: dict[int, tuple[Target, ...]] = field(default_factory=dict)  # position -> its header targets
    known_lines: OrderedDict[tuple[bytes, bytes], frozenset[int]] = field(default_factory=OrderedDict)
    quiet_blocks: OrderedDict[tuple[object, ...], bool] = field(default_factory=OrderedDict)


class FastProgram:
    """The steps that can matter."""

    def __init__(self, ruleset: RuleSet) -> None:
        self._initial = ruleset.settings.initial()
        folded = fold(steps_by_phase(ruleset), self._initial)
        self._phases = {phase: _prepare(folded[phase]) for phase in PHASES}

    def begin(self, run: Run) -> None:
        """A run begins clean: its variables are the snapshots of the steps."""
        if run.removed:
            run.transaction.tx.update(self._initial)
            run.dirty = True

    def phase(self, number: Phase, run: Run) -> None:
        """Walk what can matter of one phase."""
        phase = self._phases[number]
        folded = phase.folded
        if not folded.steps:
            return
        positions = self._candidates(phase, run)
        if run.over:
            return
        positions.update(phase.always)
        if phase.header_only and not self._quiet(phase, run):
            positions.update(phase.header_only)
        resume = 0
        if not run.dirty:
            resume = self._walk(folded, sorted(positions), run)
            if resume < 0:
                return
        positions.update(folded.known)
        self._walk(folded, sorted(position for position in positions if position >= resume), run)

    def _walk(self, folded: Folded, positions: list[int], run: Run) -> int:
        steps = folded.steps
        return walk(((position, steps[position]) for position in positions), run) if positions else -1

    def _candidates(self, phase: _FastPhase, run: Run) -> set[int]:
        transaction, late = run.transaction, run.late
        found: set[int] = set()
        if phase.lines:
            known_lines = phase.known_lines
            for line in transaction.request.headers:
                known = known_lines.get(line)
                if known is None:
                    known = _line_candidates(phase, line)
                if known:
                    found |= known
        seen: dict[str, list[bytes]] = {}
        bodiless = transaction.body is None
        for group, collections in phase.groups.values():
            values: list[bytes] = []
            for collection in collections:
                if bodiless and collection in _OF_BODY:
                    continue
                known_values = seen.get(collection)
                if known_values is None:
                    known_values = seen[collection] = _values(transaction, collection)
                values += known_values
            if values:
                # The path, the target and the query are often the same bytes.
                found |= group.candidates(list(dict.fromkeys(values)))
                # Hostile text costs most here, before a single rule is walked.
                if late is not None and late():
                    run.over_budget = True
                    break
        return found

    def _quiet(self, phase: _FastPhase, run: Run) -> bool:
        """Whether no rule that looks at headers alone has anything to say.  Only asked of clean runs."""
        if run.dirty or run.removed_targets:
            return False
        request = run.transaction.request
        block = tuple(line for line in request.headers if line[0] != _COOKIE)
        key = (block, request.method, request.protocol)
        known = phase.quiet_blocks.get(key)
        if known is None:
            known = _try_headers(phase, run.transaction)
            phase.quiet_blocks[key] = known
            if len(phase.quiet_blocks) > BLOCKS_MAX:
                phase.quiet_blocks.popitem(last=False)
        return known


def _try_headers(phase: _FastPhase, transaction: Transaction) -> bool:
    trial = Run(Transaction(transaction.request), stop_on_block=False)
    for position in phase.header_only:
        step = phase.folded.steps[position]
        trial.transaction.tx = step.snapshot
        trial.transaction.tx_shared = True
        if evaluate(step, trial) or trial.dirty:
            return False
    return True


def _line_candidates(phase: _FastPhase, line: tuple[bytes, bytes]) -> frozenset[int]:
    name, value = line
    # The raw cookie header goes with the content, which is new each time anyway.
    found = phase.lines.candidates([name]) | (
        phase.lines.candidates([value]) if name != _COOKIE and value else set()
    )
    if not found and name == _COOKIE:
        return _NOTHING_FOUND
    alone = Transaction(WafRequest("", "", b"", "", (line,)))
    kept = frozenset(
        position
        for position in found
        if _covers(phase.names_of[position], name) and _says(phase.folded.steps[position], alone)
    )
    if len(name) + len(value) <= LINE_BYTES_MAX:
        phase.known_lines[line] = kept
        if len(phase.known_lines) > LINES_MAX:
            phase.known_lines.popitem(last=False)
    return kept


def _says(step: Step, transaction: Transaction) -> bool:
    """Whether the first link of the rule matches something in a header.  Worth asking once: the line will
    come again."""
    return any(found[0] in _HEADER for found in step.links[0].matches(transaction))


def _covers(targets: tuple[Target, ...], name: bytes) -> bool:
    return any(target.key is None or target.key == name for target in targets)


def _values(transaction: Transaction, collection: str) -> list[bytes]:
    if collection == "XML":
        items = xml_items(transaction, b"/*") + xml_items(transaction, b"//@*")
    elif collection == _COOKIE_LINE:
        return transaction.header(_COOKIE)
    else:
        items = COLLECTIONS[collection][0](transaction)
    # An empty value matches no pattern that is prefiltered at all.
    return [value for _, value in items if value]


def _prepare(folded: Folded) -> _FastPhase:
    phase = _FastPhase(folded)
    for position in folded.always:
        step = folded.steps[position]
        first = step.links[0].link
        targets = tuple(target for target in first.targets if not target.exclude)
        pattern = prefilter_pattern(first) if targets else None
        if pattern is None or any(t.collection not in _CONTENT | _RAW | _HEADER for t in targets):
            (phase.header_only if _is_about_headers(step) else phase.always).append(position)
            continue
        _assign(phase, position, step, targets, pattern)
    return phase


def _assign(
    phase: _FastPhase, position: int, step: Step, targets: tuple[Target, ...], pattern: bytes
) -> None:
    first = step.links[0].link
    content = {target.collection for target in targets} & _CONTENT
    raw = {target.collection for target in targets} & _RAW
    headers = tuple(target for target in targets if target.collection in _HEADER)
    excluded = {t.key for t in first.targets if t.exclude and t.collection == "REQUEST_HEADERS"}
    if (
        any(t.collection == "REQUEST_HEADERS" and t.key in {None, _COOKIE} for t in headers)
        and _COOKIE not in excluded
    ):
        raw.add(_COOKIE_LINE)
    kind, separator = "", SEPARATOR
    if crosses_lines(pattern):
        if anchored(first):
            phase.always.append(position)
            return
        kind, separator = "plain", SEPARATOR[:1]
    if is_exotic(first):
        kind = "exotic " + " ".join(first.transforms)
    if content:
        names = (
            "path"
            if content <= _PATH
            else "names"
            if content <= _NAMES
            else "upload"
            if content <= _UPLOAD
            else "all"
        )
        _into(phase, (names, kind), content, separator).add(position, step, pattern)
    for collection in raw:
        _into(phase, ("target" if collection in _TARGET else collection, kind), {collection}, separator).add(
            position, step, pattern
        )
    if headers:
        phase.lines.add(position, step, pattern)
        phase.names_of[position] = headers


def _into(phase: _FastPhase, key: tuple[str, str], collections: set[str], separator: bytes) -> Group:
    group, members = phase.groups.setdefault(key, (Group(separator), set()))
    members |= collections
    return group


def _is_about_headers(step: Step) -> bool:
    """Whether the outcome depends on nothing but the method, the protocol and the headers without Cookie."""
    if not step.rule_is_private and len(step.links) > 1:
        return False
    links = [compiled.link for compiled in step.links]
    if any(link.controls for link in links) or step.rule.action not in {"pass", "block"}:
        return False
    for index, link in enumerate(links):
        for target in link.targets:
            part = COLLECTIONS[target.collection][1]
            if part == "tx" and index:
                continue
            if part != "head" or target.pattern is not None:
                return False
            if target.collection == "REQUEST_HEADERS" and target.key in {None, _COOKIE}:
                return False
        if link.operator is not None and any(hole[1] != "TX" for hole in link.operator.argument.holes):
            return False
    return True
