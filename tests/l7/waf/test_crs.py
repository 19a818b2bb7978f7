"""The real Core Rule Set, where it is installed.

EDGE_CRS_DIR names a directory with `rules/` (a release of CRS 4), EDGE_CRS_TESTS_DIR its
`tests/regression/tests`.  Without them these tests are skipped: the data is not ours to ship."""

import os
import re
from functools import cache
from pathlib import Path

import pytest

from edge.l7.waf.engine import Run
from edge.l7.waf.inspector import Inspector
from edge.l7.waf.load import load_ruleset
from edge.l7.waf.program import FastProgram, NaiveProgram
from edge.l7.waf.request import PASS, WafVerdict
from edge.l7.waf.ruleset import RuleSet, Settings
from edge.l7.waf.variables import Transaction
from tests.l7.waf.samples import embedded_inspector, get
from tests.oracle.waf_differential import verdict
from tests.oracle.waf_suite import TEST_VARIABLES, Case, Exchange, cases

RULES = os.environ.get("EDGE_CRS_DIR", "")
TESTS = os.environ.get("EDGE_CRS_TESTS_DIR", "")
pytestmark = pytest.mark.skipif(not (RULES and TESTS), reason="needs EDGE_CRS_DIR and EDGE_CRS_TESTS_DIR")

# Action, score, and of each match the rule, its points and the variable.
Said = tuple[str, int, list[tuple[int, int, str]]]

CLEAN = get(b"/")

H11_LENGTHS = "a chunked body with a Content-Length: h11 refuses it before any rule"
KNOWN_DIFFERENCES = {  # by major version of the rules; the note on the firewall lists them as well
    "3": {
        "920120-3": "the rule needs look-behind, which RE2 has not",
        "942130-8": "the rule needs look-ahead, which RE2 has not",
        "920180-3": "a POST without Content-Length: the sender of these tests adds one",
        "920181-1": H11_LENGTHS,
        "920460-4": "written for Apache's quoting, where two backslashes of a rule file are one",
    },
    "4": {
        "920181-1": H11_LENGTHS,
        "921140-1": "a carriage return inside a header value: h11 refuses it before any rule",
        "932207-7": "checks the text of a log line that quotes another capture",
    },
}


def major_version() -> str:
    text = (Path(RULES) / "rules" / "REQUEST-901-INITIALIZATION.conf").read_text(encoding="utf-8")
    found = re.search(r"ver\.(\d)", text)
    assert found is not None
    return found[1]


@cache
def loaded(paranoia: int) -> RuleSet:
    every = Settings(blocks=False, paranoia=4, detection_paranoia=4, variables=TEST_VARIABLES)
    return load_ruleset([RULES], every if paranoia == 4 else Settings(), embedded=False)


@cache
def suite() -> tuple[Case, ...]:
    return tuple(cases(Path(TESTS)))


def passes(exchange: Exchange, program: NaiveProgram, logged: dict[int, bool]) -> bool:
    transaction = Transaction(exchange.request, exchange.body or None, b"unique")
    run = Run(transaction, stop_on_block=False)
    program.begin(run)
    program.phase(1, run)
    transaction.read()
    program.phase(2, run)
    transaction.answer = exchange.answer
    for phase in (3, 4) if exchange.answer else ():
        program.phase(phase, run)  # type: ignore[arg-type]
    program.phase(5, run)
    found = [match for match in run.found if logged[match.id]]
    log = "\n".join(f'[id "{m.id}"] [msg "{m.message}"] [data "{m.log_data}"] {m.variable}' for m in found)
    ids = {match.id for match in found}
    return (
        exchange.expect <= ids
        and not exchange.refuse & ids
        and (not exchange.log_has or re.search(exchange.log_has, log) is not None)
        and (not exchange.log_lacks or re.search(exchange.log_lacks, log) is None)
    )


def test_our_half_of_the_suite_passes_but_for_the_known_differences() -> None:
    """The list of differences may only get shorter."""
    ruleset = loaded(4)
    program = NaiveProgram(ruleset)
    logged = {rule.id: rule.log for rule in ruleset.rules}

    failed = {
        case.name for case in suite() if not all(passes(one, program, logged) for one in case.exchanges)
    }

    assert failed <= KNOWN_DIFFERENCES[major_version()].keys()


@pytest.mark.parametrize("paranoia", [1, 4])
def test_the_fast_engine_agrees_with_the_naive_one_on_the_suite(paranoia: int) -> None:
    """Ids, points and the variable shown, on every request of our half."""
    fast, slow = Inspector(loaded(paranoia)), Inspector(loaded(paranoia), naive=True)

    for case in suite():
        for exchange in case.exchanges:
            assert said_of_request(fast, exchange) == said_of_request(slow, exchange), case.name
            assert said_of_answer(fast, exchange) == said_of_answer(slow, exchange), case.name


def said_of_request(inspector: Inspector, exchange: Exchange) -> Said:
    if exchange.body:
        return said(inspector.inspect_body(exchange.request, exchange.body, 0.0))
    return said(inspector.inspect_head(exchange.request, 0.0))


def said_of_answer(inspector: Inspector, exchange: Exchange) -> Said | None:
    if exchange.answer is None:
        return None
    if isinstance(inspector._program, FastProgram):
        return said(inspector.inspect_answer(CLEAN, exchange.answer, 0.0))
    # The naive engine knows of defaults only what rules about a request have set.
    run = inspector._begin(CLEAN, None, 0.0)
    inspector._walk(run)
    run.found.clear()
    run.transaction.answer = exchange.answer
    inspector._program.phase(3, run)
    inspector._program.phase(4, run)
    return said(inspector._verdict(run, 0))


def said(verdict: WafVerdict) -> Said:
    matches = [(match.id, match.points, match.variable) for match in verdict.matches]
    return verdict.action, verdict.score, matches


def test_answers_that_leak_reach_the_threshold_of_answers() -> None:
    """Of all answers in which a rule is to be found, those with points enough are refused, by the sum."""
    inspector = Inspector(loaded(1))
    refused = 0

    for case in suite():
        for one in case.exchanges:
            if one.answer is None or not one.expect:
                continue
            verdict = inspector.inspect_answer(one.request, one.answer, 0.0)
            assert verdict is PASS or verdict.part == "answer"
            assert (verdict.action == "block") == (verdict.score >= 4), case.name
            refused += verdict.action == "block"

    assert refused > 20


# What reads a value, in contrast to what judges the protocol: files, inclusion, commands, PHP, generic, XSS,
# SQL, sessions, Java.
CONTENT = frozenset((930, 931, 932, 933, 934, 941, 942, 943, 944))
RECALL_MIN = 0.90


def test_the_embedded_rules_alone_refuse_most_of_what_these_tests_call_attacks() -> None:
    """The other half of the suite was never looked at; this half guards what we have."""
    default = {rule.id for rule in loaded(4).rules if rule.paranoia == 1}
    own = embedded_inspector()
    attacks = [
        one
        for case in suite()
        if case.rule_id // 1000 in CONTENT and case.rule_id in default
        for one in case.exchanges
        if case.rule_id in one.expect and one.answer is None
    ]

    refused = sum(verdict(own, (one.request, one.body)).action == "block" for one in attacks)

    assert refused >= len(attacks) * RECALL_MIN
