"""Which steps have to be walked for this request?

`NaiveProgram` walks all of them.  `FastProgram` walks those that look at the request and that the prefilter
cannot rule out, and falls back to the full order from the first match on.  Both come to the same verdict; a
differential test holds them to it."""

from collections.abc import Callable, Iterable
from typing import Final

from edge.l7.waf.compiled import Step
from edge.l7.waf.engine import Run, walk
from edge.l7.waf.fold import Folded, fold
from edge.l7.waf.form import Marker, Phase
from edge.l7.waf.header_memory import HeaderMemory
from edge.l7.waf.matcher import TooDear
from edge.l7.waf.ordinary import are_ordinary
from edge.l7.waf.plan import COOKIE, Plan
from edge.l7.waf.prefilter import Screen
from edge.l7.waf.ruleset import RuleSet
from edge.l7.waf.variables import Transaction

PHASES: tuple[Phase, ...] = (1, 2, 3, 4, 5)

# A hurried inspection does not evaluate rules on more text than this: some 50 ns a byte and rule.
HURRIED_BYTES_MAX: Final = 16 * 1024


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


class FastProgram:
    """The steps that can matter."""

    def __init__(self, ruleset: RuleSet) -> None:
        self._initial = ruleset.settings.initial()
        self._plan = Plan(fold(steps_by_phase(ruleset), self._initial))
        self._headers = HeaderMemory(self._plan)

    def prepare(self) -> None:
        """Build all matchers, and what else would hold up the first phone that needs it."""
        for screen in (self._plan.lines, *(pool.screen for pool in self._plan.pools)):
            screen.prepare()
        for phase in (1, 2):
            folded = self._plan.phases[phase].folded
            for position in folded.always + folded.known:
                folded.steps[position].prepare()

    def begin(self, run: Run) -> None:
        """A run begins clean: its variables are the snapshots of the steps."""
        if run.removed:
            run.transaction.tx.update(self._initial)
            run.dirty = True

    def phase(self, number: Phase, run: Run) -> None:
        """Walk what can matter of a phase.  Raises `TooDear` when the run is hurried and its text hostile."""
        planned = self._plan.phases[number]
        folded = planned.folded
        if run.possible is None:
            _patiently(run, self._look_at_head)
        if run.silent and number <= 2:
            return
        if number == 2 and run.transaction.body is not None:
            _patiently(run, self._look_at_body)
        if run.over or not folded.steps:
            return
        positions = set(planned.always)
        for (phase, position), values in (run.possible or {}).items():
            if phase == number:
                positions.add(position)
                run.suspects[folded.steps[position]] = values
        if (
            run.hurried
            and sum(len(value) for one in run.suspects.values() for value in one) > HURRIED_BYTES_MAX
        ):
            raise TooDear
        if run.dirty or number not in run.quiet_phases:
            positions.update(planned.header_only)
        resume = 0
        if not run.dirty:
            resume = _walk(folded, sorted(positions), run)
            if resume < 0:
                return
        positions.update(folded.known)
        _walk(folded, sorted(position for position in positions if position >= resume), run)

    def _look_at_head(self, run: Run) -> None:
        transaction = run.transaction
        request = transaction.request
        block = self._headers.block(request, run.watch, hostile=run.hostile)
        run.quiet_phases = block.quiet
        run.possible = {spot: set() for spot in block.spots}
        # All values of the head are made of these.
        ordinary = block.ordinary and are_ordinary([request.target, *transaction.header(COOKIE)])
        for pool in self._plan.pools:
            if pool.of_head and not run.over_budget and pool.screen.minds(ordinary=ordinary):
                values = [value for get in pool.of_head for value in get(transaction) if value]
                self._search(pool.screen, values, run, ordinary=ordinary)
        run.silent = (
            block.silent
            and not run.possible
            and not (run.dirty or run.over_budget)
            and transaction.body is None
            and _nobody_speaks(block.asked, transaction)
        )

    def _look_at_body(self, run: Run) -> None:
        transaction = run.transaction
        for pool in self._plan.pools:
            if pool.of_body and not run.over_budget:
                values = [value for get in pool.of_body for value in get(transaction) if value]
                self._search(pool.screen, values, run, ordinary=are_ordinary(values))

    def _search(self, screen: Screen, values: list[bytes], run: Run, *, ordinary: bool) -> None:
        assert run.possible is not None
        found = screen.candidates(values, run.watch, hostile=run.hostile, ordinary=ordinary)
        for spot, suspects in found.items():
            run.possible.setdefault(spot, set()).update(suspects)
        # Hostile text costs most here, before a single rule is walked.
        if run.hostile and run.is_late():
            run.over_budget = True


def _nobody_speaks(asked: Iterable[Step], transaction: Transaction) -> bool:
    # Half the price of walking, for nearly all requests.
    transaction.tx_shared = True
    for step in asked:
        transaction.tx = step.snapshot
        if not step.is_silent(transaction):
            return False
    return True


def _patiently(run: Run, look: Callable[[Run], None]) -> None:
    """Look again in the way for hostile text when the usual one is too dear, unless in a hurry."""
    try:
        look(run)
    except TooDear:
        if run.hurried:
            raise
        run.hostile = True
        look(run)


def _walk(folded: Folded, positions: list[int], run: Run) -> int:
    steps = folded.steps
    return walk(((position, steps[position]) for position in positions), run) if positions else -1
