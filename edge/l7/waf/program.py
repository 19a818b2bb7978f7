"""Which steps have to be walked for this request?  (The naive answer: all of them.)"""

from edge.l7.waf.compiled import Step
from edge.l7.waf.engine import Run, walk
from edge.l7.waf.form import Marker, Phase, Rule
from edge.l7.waf.ruleset import RuleSet

PHASES: tuple[Phase, ...] = (1, 2, 3, 4, 5)


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
        self.ruleset = ruleset
        self._steps = steps_by_phase(ruleset)
        self._initial = ruleset.settings.initial()

    def begin(self, run: Run) -> None:
        """Give the run its initial variables."""
        run.transaction.tx.update(self._initial)
        run.dirty = True

    def phase(self, number: Phase, run: Run) -> None:
        """Walk one phase."""
        walk(enumerate(self._steps[number]), run)


__all__ = ["PHASES", "NaiveProgram", "Rule", "steps_by_phase"]
