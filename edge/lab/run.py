"""What came out of a lab: values that a report is made of."""

from typing import Any

from msgspec import Struct

from edge.lab.expect import Unanswerable, evaluate, operands
from edge.lab.measure import Sample
from edge.lab.plan import Column, Lab, Variant


class Mark(Struct, frozen=True, kw_only=True):
    """Something that happened, to be drawn on every chart."""

    at_s: float
    text: str
    kind: str = "step"  # step, member, ban
    until_s: float = 0.0  # of what lasts, such as a fault


class VariantRun(Struct, frozen=True, kw_only=True):
    """One variant's run."""

    name: str
    note: str
    seconds: float
    samples: list[Sample]
    marks: list[Mark]
    counters: list[tuple[str, dict[str, str], float]]
    exemplars: list["Exemplar"]
    others: float = 0.0  # the share of the machine that somebody else had meanwhile


class Exemplar(Struct, frozen=True, kw_only=True):
    """One request worth looking at, with its spans as plain values."""

    label: str
    sample: Sample
    spans: list[dict[str, Any]]


class Verdict(Struct, frozen=True, kw_only=True):
    """One expectation, held against what was measured."""

    that: str
    because: str
    holds: bool
    measured: list[tuple[str, str]]


class Discarded(Struct, frozen=True, kw_only=True):
    """A run that failed on a machine that was not ours; it was made again."""

    others: float
    failed: list[str]


class LabRun(Struct, frozen=True, kw_only=True):
    """Everything about one run of a lab."""

    name: str
    began_unix: float
    commit: str
    machine: str
    prediction: str
    predicted: str  # what the answer turned out to be
    variants: list[VariantRun]
    verdicts: list[Verdict]
    table: list[list[str]]  # the first row is the head
    discarded: list[Discarded] = []

    @property
    def others(self) -> float:
        """What others had of the machine during the variant that had to share it most."""
        return max((one.others for one in self.variants), default=0.0)

    @property
    def passed(self) -> bool:
        """Did every expectation hold?"""
        return all(verdict.holds for verdict in self.verdicts)


def judge(lab: Lab, measures: dict[str, Any]) -> list[Verdict]:
    """Every expectation's verdict; one that cannot be evaluated does not hold."""
    verdicts = []
    for expect in lab.expect:
        try:
            holds = bool(evaluate(expect.that, measures))
            measured = [(name, number(value)) for name, value in operands(expect.that, measures)]
        except Unanswerable as error:
            holds, measured = False, [("problem", str(error))]
        verdicts.append(Verdict(that=expect.that, because=expect.because, holds=holds, measured=measured))
    return verdicts


def table(lab: Lab, measures: dict[str, Any]) -> list[list[str]]:
    """A line per variant, a column per `[[column]]`."""
    head = ["variant", *(column.title for column in lab.column)]
    return [head, *([variant.name, *_cells(variant, lab.column, measures)] for variant in lab.variant)]


def answer(lab: Lab, measures: dict[str, Any]) -> str:
    """What should have been predicted."""
    try:
        value = evaluate(lab.predict.answer, measures)
    except Unanswerable as error:
        return str(error)
    return f"{number(value)} {lab.predict.unit}".strip()


def number(value: Any) -> str:
    """A measure for people: few digits, none that are noise."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _cells(variant: Variant, columns: tuple[Column, ...], measures: dict[str, Any]) -> list[str]:
    cells = []
    for column in columns:
        try:
            cells.append(number(evaluate(column.of_variant(variant.name), measures)))
        except Unanswerable:
            cells.append("-")
    return cells
