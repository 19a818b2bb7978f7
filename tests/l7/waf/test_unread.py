"""Writes that nobody reads must not cost every request."""

from edge.l7.waf.compiled import Step
from edge.l7.waf.fold import fold
from edge.l7.waf.inspector import Inspector
from edge.l7.waf.program import steps_by_phase
from edge.l7.waf.unread import does_nothing, forget_unread
from tests.l7.waf.samples import get, seclang


def left(text: str) -> list[Step]:
    steps = [step for steps in steps_by_phase(seclang(text)).values() for step in steps]
    forget_unread(steps)
    return steps


def writes(step: Step) -> list[bytes]:
    return [setvar.name.tail for compiled in step.links for setvar in compiled.link.setvars]


def test_what_nobody_reads_is_not_written() -> None:
    """The User-Agent's hash of CRS 3.3, with everything that would read it left out."""
    hashed, address = left(
        'SecRule REQUEST_HEADERS "@rx ^.*$" "id:1,phase:1,pass,nolog,setvar:tx.hash=%{MATCHED_VAR}"\n'
        'SecAction "id:2,phase:1,pass,nolog,setvar:tx.address=%{tx.hash}"'
    )

    assert writes(hashed) == writes(address) == []
    assert does_nothing(hashed) and does_nothing(address)


def test_every_way_of_reading_counts() -> None:
    """By name, by a pattern over names, in a message, in an argument, in another value, by the verdict."""
    steps = left(
        'SecAction "id:1,phase:1,pass,nolog,setvar:tx.named=1,setvar:tx.met_by_pattern=1,setvar:tx.said=1,'
        'setvar:tx.compared=1,setvar:tx.copied=1,setvar:tx.inbound_anomaly_score_pl1=+1,setvar:tx.lost=1"\n'
        'SecRule TX:NAMED "@eq 1" "id:2,phase:1,pass,log,msg:\'%{tx.said}\'"\n'
        'SecRule TX:/^MET_/ "@eq %{tx.compared}" "id:3,phase:1,pass,log,setvar:tx.%{tx.named}=%{tx.copied}"'
    )

    assert writes(steps[0]) == [
        b"named", b"met_by_pattern", b"said", b"compared", b"copied", b"inbound_anomaly_score_pl1",
    ]  # fmt: skip
    assert len(writes(steps[2])) == 1  # its name is only known when it runs


def test_a_rule_that_looks_at_all_variables_keeps_them_all() -> None:
    """TX as a whole."""
    writer, _ = left('SecAction "id:1,phase:1,pass,setvar:tx.a=1"\nSecRule TX "@rx 1" "id:2,phase:1,pass"')

    assert writes(writer) == [b"a"]


def test_a_rule_left_with_nothing_to_do_is_gone() -> None:
    """It is not even walked."""
    ruleset = seclang(
        'SecRule REQUEST_URI "@rx ." "id:1,phase:1,pass,nolog,setvar:tx.lost=1"\n'
        'SecRule REQUEST_URI "@rx evil" "id:2,phase:1,deny"\n'
    )

    folded = fold(steps_by_phase(ruleset), {})[1]

    assert [folded.steps[position].rule.id for position in folded.always] == [2]
    assert Inspector(ruleset).inspect_head(get(b"/evil"), 0.0).action == "block"
