"""A lab that fails beside others is run again, and says so."""

from pathlib import Path

import pytest

from edge.lab import repeat
from edge.lab.plan import parse
from edge.lab.run import LabRun, VariantRun, Verdict
from tests.lab.test_plan import GOOD

LAB = parse(GOOD, "good")


def run(*, holds: bool, others: float) -> LabRun:
    variant = VariantRun(
        name="edge", note="", seconds=1.0, samples=[], marks=[], counters=[], exemplars=[], others=others
    )
    verdict = Verdict(that="a > b", because="c", holds=holds, measured=[])
    return LabRun(
        name="good", began_unix=0, commit="", machine="", prediction="", predicted="", variants=[variant],
        verdicts=[verdict], table=[[]],
    )  # fmt: skip


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[LabRun]:
    """What the next runs will be, in order."""
    runs: list[LabRun] = []

    async def run_once(*_: object) -> LabRun:
        return runs.pop(0)

    async def quiet() -> bool:
        return True

    monkeypatch.setattr(repeat, "run_once", run_once)
    monkeypatch.setattr(repeat, "quiet", quiet)
    return runs


async def test_a_failure_on_a_machine_of_its_own_is_final(played: list[LabRun]) -> None:
    """Nobody else is to blame."""
    played += [run(holds=False, others=0.02), run(holds=True, others=0.0)]

    done = await repeat.run_lab(Path(), "good", LAB)

    assert not done.passed
    assert done.discarded == []


async def test_a_failure_beside_others_is_measured_again(played: list[LabRun]) -> None:
    """And the run that does not count stands in the report, with what failed."""
    played += [run(holds=False, others=0.48), run(holds=True, others=0.3)]

    done = await repeat.run_lab(Path(), "good", LAB)

    assert done.passed
    assert [(one.others, one.failed) for one in done.discarded] == [(0.48, ["a > b"])]


async def test_three_runs_are_enough(played: list[LabRun]) -> None:
    """What fails three times fails; and whoever wants the first result gets it."""
    played += [run(holds=False, others=0.9) for _ in range(4)]

    done = await repeat.run_lab(Path(), "good", LAB)
    first = await repeat.run_lab(Path(), "good", LAB, runs_max=1)

    assert (done.passed, len(done.discarded)) == (False, 2)
    assert (first.passed, len(first.discarded)) == (False, 0)
