"""Each rule is found through one matcher, or walked every time."""

import pytest

from edge.l7.waf.compiled import CompiledLink
from edge.l7.waf.fold import fold
from edge.l7.waf.form import Phase
from edge.l7.waf.plan import Plan
from edge.l7.waf.program import steps_by_phase
from edge.l7.waf.regex import Pattern
from edge.l7.waf.request import WafRequest
from edge.l7.waf.variables import Transaction
from tests.l7.waf.samples import seclang


def plan(text: str) -> Plan:
    return Plan(fold(steps_by_phase(seclang(text)), {}))


def walked(made: Plan, phase: Phase) -> list[int]:
    planned = made.phases[phase]
    return [planned.folded.steps[position].rule.id for position in planned.always]


def test_rules_of_all_phases_share_the_matcher_for_a_class_of_values() -> None:
    """So that a new value is searched once."""
    made = plan(
        'SecRule ARGS "@rx evil" "id:1,phase:1,deny"\nSecRule REQUEST_COOKIES "@rx bad" "id:2,phase:2,deny"\n'
        'SecRule REQUEST_URI_RAW "@rx awful" "id:3,phase:1,deny"'
    )

    assert [pool.collections for pool in made.pools] == [{"ARGS", "REQUEST_COOKIES"}, {"REQUEST_URI_RAW"}]
    assert walked(made, 1) == walked(made, 2) == []


def test_a_rule_that_fits_ordinary_values_keeps_to_its_class() -> None:
    """A dot in the path is a finding, one in an argument a false alarm."""
    made = plan(
        'SecRule REQUEST_FILENAME "@rx \\." "id:1,phase:1,deny"\nSecRule ARGS "@rx evil" "id:2,phase:1,deny"'
    )

    assert [pool.collections for pool in made.pools] == [{"REQUEST_FILENAME"}, {"ARGS"}]


def test_what_no_pattern_expresses_is_walked() -> None:
    """Comparisons, negations, counts, and the body in a phase that does not have it yet."""
    made = plan(
        'SecRule ARGS "!@rx ^a" "id:1,phase:2,deny"\nSecRule &ARGS "@gt 3" "id:2,phase:2,deny"\n'
        'SecRule REQUEST_BODY "@rx evil" "id:3,phase:1,deny"\nSecRule ARGS "@gt 3" "id:4,phase:2,deny"\n'
        'SecRule REQUEST_HEADERS:Host "!@rx ^a" "id:5,phase:1,block"'
    )

    assert (walked(made, 1), walked(made, 2)) == ([3], [1, 2, 4])
    assert [made.phases[1].folded.steps[one].rule.id for one in made.phases[1].header_only] == [5]


def test_a_rule_asks_the_pattern_that_finds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled twice they took 6 MB more.  One whose groups are asked for has to be."""
    lent: list[bytes] = []
    borrow = CompiledLink.borrow

    def noted(self: CompiledLink, pattern: Pattern) -> None:
        lent.append(pattern.source)
        borrow(self, pattern)

    monkeypatch.setattr(CompiledLink, "borrow", noted)
    made = plan(
        'SecRule ARGS "@rx evil" "id:1,phase:2,deny"\n'
        'SecRule ARGS "@rx (so) evil" "id:2,phase:2,deny,capture"'
    )
    asked = [made.step((2, position)).links[0].test for position in (0, 1)]
    nobody = Transaction(WafRequest("", "", b"", "", ()))

    assert [test and test(b"so evil", nobody) for test in asked] == [
        (3, (b"evil",)),
        (0, (b"so evil", b"so")),
    ]
    assert lent == [b"(?m)evil"]
