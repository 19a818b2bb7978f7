"""The exact engine: chains, variables, captures, control, and what is written down."""

from edge.l7.waf.compiled import CompiledLink, Step
from edge.l7.waf.engine import Run, walk
from edge.l7.waf.expand import expand
from edge.l7.waf.form import Link, Macro, Operator, Target
from edge.l7.waf.inspector import Inspector
from edge.l7.waf.macro import parse_macro
from edge.l7.waf.operators import compile_operator, number
from edge.l7.waf.program import NaiveProgram
from edge.l7.waf.request import WafVerdict
from edge.l7.waf.variables import Transaction
from tests.l7.waf.samples import get, seclang


def verdict(rules: str, target: bytes) -> WafVerdict:
    """Both programs' verdict, which must be the same."""
    ruleset = seclang(rules)
    slow = Inspector(ruleset, naive=True).inspect_head(get(target), 0.0)
    fast = Inspector(ruleset).inspect_head(get(target), 0.0)
    assert (fast.action, [m.id for m in fast.matches]) == (slow.action, [m.id for m in slow.matches])
    return fast


def test_every_link_of_a_chain_has_to_match() -> None:
    """One that does not keeps the action from happening."""
    rules = 'SecRule ARGS:a "@streq 1" "id:1,phase:1,deny,chain"\nSecRule ARGS:b "@streq 2"'

    assert verdict(rules, b"/?a=1&b=2").action == "block"
    assert verdict(rules, b"/?a=1&b=3").action == "pass"


def test_a_match_shows_the_test_that_found_the_value() -> None:
    """Of a chain that begins with a gate: value, decoders and test belong together."""
    rules = (
        'SecAction "id:2,phase:1,pass,nolog,setvar:tx.gate=1"\n'
        'SecRule TX:gate "@eq 1" "id:1,phase:1,deny,chain"\nSecRule ARGS:a "@streq x" "t:lowercase"'
    )

    match = verdict(rules, b"/?a=X").matches[0]

    assert (match.variable, match.transforms, match.operator) == ("ARGS:a", ("lowercase",), "@streq x")


def test_each_matching_value_counts() -> None:
    """setvar runs once per match: that is how CRS counts parameters."""
    rules = (
        'SecRule ARGS "@rx x" "id:1,phase:1,pass,nolog,setvar:tx.n=+2"\n'
        'SecRule TX:n "@ge 6" "id:2,phase:1,deny,msg:\'%{tx.n}\'"'
    )

    assert verdict(rules, b"/?a=x&b=x").action == "pass"
    found = verdict(rules, b"/?a=x&b=x&c=x")
    assert (found.action, found.matches[-1:] or found.bookkeeping[-1:]) != ("pass", ())


def test_captures_travel_along_the_chain() -> None:
    """`TX:1` of the first link is a value of the second."""
    rules = (
        'SecRule ARGS:r "@rx ^([0-9]+)-([0-9]+)$" "id:1,phase:1,deny,capture,chain"\n'
        'SecRule TX:2 "@lt %{tx.1}"'
    )

    assert verdict(rules, b"/?r=9-5").action == "block"
    assert verdict(rules, b"/?r=5-9").action == "pass"


def test_skip_after_jumps_over_rules_to_its_marker() -> None:
    """A paranoia gate that is shut."""
    rules = (
        'SecRule ARGS:skip "@streq 1" "id:1,phase:1,pass,nolog,skipAfter:END"\n'
        'SecRule ARGS:a "@streq 1" "id:2,phase:1,deny"\nSecMarker END\n'
    )

    assert verdict(rules, b"/?a=1").action == "block"
    assert verdict(rules, b"/?a=1&skip=1").action == "pass"


def test_control_switches_rules_and_targets_off_for_one_request() -> None:
    """`ctl` is how exclusions by path are written in SecLang."""
    rules = (
        'SecRule REQUEST_FILENAME "@streq /safe" "id:1,phase:1,pass,nolog,ctl:ruleRemoveById=3"\n'
        'SecRule REQUEST_FILENAME "@streq /half" "id:2,phase:1,pass,nolog,'
        'ctl:ruleRemoveTargetById=3;ARGS:a"\n'
        'SecRule ARGS "@streq 1" "id:3,phase:1,deny"'
    )

    assert verdict(rules, b"/?a=1").action == "block"
    assert verdict(rules, b"/safe?a=1").action == "pass"
    assert verdict(rules, b"/half?a=1").action == "pass"
    assert verdict(rules, b"/half?b=1").action == "block"


def test_counting_an_absent_header_is_how_it_is_missed() -> None:
    """`&REQUEST_HEADERS:Origin @eq 0`."""
    rules = 'SecRule &REQUEST_HEADERS:Origin "@eq 0" "id:1,phase:1,deny"'

    assert verdict(rules, b"/").action == "block"


def test_a_match_says_where_what_and_how() -> None:
    """Everything `explain` needs, in one value."""
    rules = (
        'SecRule ARGS "@rx <script" "id:1,phase:2,deny,'
        "t:urlDecodeUni,t:lowercase,msg:'XSS in %{MATCHED_VAR_NAME}'\""
    )

    match = verdict(rules, b"/?q=aa%253CScript").matches[0]

    assert (match.variable, match.value, match.offset) == ("ARGS:q", b"aa<script", 2)
    assert match.message == "XSS in ARGS:q"
    assert match.place == "test.conf:1"


def test_a_walk_over_no_steps_changes_nothing() -> None:
    """The shape of most requests."""
    run = Run(Transaction(get(b"/")), stop_on_block=True)

    assert walk([], run) == -1
    assert not run.over


def test_excluded_entries_are_not_looked_at() -> None:
    """`ARGS|!ARGS:token`."""
    link = CompiledLink(
        Link(
            (Target("ARGS"), Target("ARGS", key=b"token", exclude=True)),
            Operator("contains", Macro((), b"x")),
        )
    )

    assert [found[1] for found in link.matches(Transaction(get(b"/?token=x&q=x")))] == [b"q"]


def test_macros_of_missing_things_are_empty() -> None:
    """As in ModSecurity; an exception in a log message would be absurd."""
    transaction = Transaction(get(b"/?a=1"))

    assert expand(parse_macro(b"[%{tx.no}|%{args.a}|%{no.such}]"), transaction) == b"[|1|]"


def test_numbers_are_read_as_c_reads_them() -> None:
    """Garbage is zero, and a million digits are no denial of service."""
    assert [number(text) for text in (b"12ab", b"-3", b"x", b"9" * 1_000_000)] == [
        12,
        -3,
        0,
        9_999_999_999_999_999,
    ]


def test_an_empty_value_is_within_everything() -> None:
    """A corner of @within that CRS relies on."""
    test = compile_operator(Operator("within", Macro((), b"GET POST")))

    assert test(b"", Transaction(get(b"/"))) is not None
    assert test(b"PUT", Transaction(get(b"/"))) is None


def test_the_naive_program_walks_every_step() -> None:
    """It is the oracle, so it must not be clever."""
    ruleset = seclang('SecRule ARGS "@rx a" "id:1,phase:1,deny"')
    run = Run(Transaction(get(b"/?q=a")), stop_on_block=True)
    program = NaiveProgram(ruleset)

    program.begin(run)
    program.phase(1, run)

    assert run.blocked_by is not None
    assert Step(ruleset.rules[0]).skip_to == -1
