"""The prefilter may name too many rules, never too few."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.l7.waf.fold import fold
from edge.l7.waf.inspector import Inspector
from edge.l7.waf.matcher import TooDear
from edge.l7.waf.outcomes import Outcomes, Texts
from edge.l7.waf.prefilter import ODD_BYTES_MAX, Group, occurrences
from edge.l7.waf.program import FastProgram, steps_by_phase
from edge.l7.waf.regex import compile_pattern
from edge.l7.waf.request import PASS
from edge.l7.waf.searchable import SEPARATOR, multi_line, searchable
from tests.kit.effort import examples
from tests.l7.waf.samples import (
    BROWSER,
    embedded,
    embedded_inspector,
    get,
    post,
    seclang,
)
from tests.oracle.waf_differential import difference, oracle, verdict
from tests.oracle.waf_grammar import request

# Pieces that attacks are made of; random bytes alone would never come near a rule.
PIECES = [
    b"' or 1=1--", b"<script>", b"../", b"/etc/passwd", b";cat ", b"${jndi:ldap://x}", b"union select",
    b"%3c", b"%2e%2e%2f", b"&lt;", b"\\u003c", b"/*", b"*/", b"sleep(5)", b"\x00", b"\n", b"\x1e", b"\x1f",
    b"\x1e\n", b"\xc3\xa9", b"%uff1c", b"onload=", b"hello world", b"a.b", b"$(id)", b"{{7*7}}",
    b"system('id')", b"?>", b"<?php", b"__proto__", b"file://", b"\\", b"+", b"&", b"=",
]  # fmt: skip
TEXT = st.lists(st.sampled_from(PIECES) | st.binary(max_size=6), max_size=8).map(b"".join)


@cache
def naive() -> Inspector:
    return Inspector(embedded(), naive=True)


@settings(max_examples=examples(150), deadline=None)
@given(TEXT, TEXT, TEXT)
def test_the_fast_engine_says_what_the_naive_one_says(path: bytes, value: bytes, cookie: bytes) -> None:
    """One difference here is one attack that passes."""
    headers = (*BROWSER[:-1], (b"cookie", b"a=" + cookie.replace(b"\n", b"")))
    request = get(b"/" + path + b"?q=" + value, headers)
    body = b"text=" + value + b"&more=" + path

    for head, content in ((request, None), (post(body), body)):
        fast, slow = (
            one.inspect_head(head, 0.0) if content is None else one.inspect_body(head, content, 0.0)
            for one in (embedded_inspector(), naive())
        )
        assert [(m.id, m.points, m.variable) for m in fast.matches] == [
            (m.id, m.points, m.variable) for m in slow.matches
        ]
        assert (fast.action, fast.score) == (slow.action, slow.score)


def test_a_slice_of_the_million_makes_no_difference() -> None:
    """`python -m tests.oracle.waf_differential` goes on from here (docs/waf.md has the figures)."""
    slow = oracle(embedded())

    for number in range(examples(1500)):
        sample = request(7, number)
        assert difference(verdict(embedded_inspector(), sample), verdict(slow, sample)) == "", number


WORDS = [rb"union", rb"^a", rb"b$", rb"(?i)x.*y", rb"[\x1e]", rb"\s", rb"."]
SOME = st.lists(st.sampled_from([b"union", b"a", b"b", b"ab", b"x", b"y", b"Xy", b" ", b"-"]), max_size=4)


@settings(max_examples=examples(500), deadline=None)
@given(st.sampled_from(WORDS), st.lists(SOME.map(b"".join), min_size=1, max_size=30), st.booleans())
def test_no_value_with_a_match_is_left_out(word: bytes, values: list[bytes], lines: bool) -> None:
    """Only the values named are evaluated; one too few is an attack that passes."""
    separator = SEPARATOR if lines else SEPARATOR[:1]
    pattern = compile_pattern(multi_line(word))
    alone = {number for number, value in enumerate(values) if compile_pattern(word).found(value)}

    named = set(occurrences(pattern, separator.join(values), separator))

    if lines or word not in {rb"^a", rb"b$"}:  # patterns with ends never meet the other separator
        assert alone <= named
    assert named <= set(range(len(values)))


def test_of_many_values_only_those_that_may_match_are_evaluated() -> None:
    """Six hundred arguments and thirty rules would be eighteen thousand evaluations."""
    ruleset = seclang('SecRule ARGS "@rx evil" "id:1,phase:2,deny"')
    group = Group()
    step = steps_by_phase(ruleset)[2][0]
    pattern = searchable(step.rule.links[0])
    assert pattern is not None
    group.add((2, 0), pattern.source, (), every_stage=False)
    values = [b"fine%d" % number for number in range(600)] + [b"so evil"]

    assert group.search(values) == group.search_hostile(values) == {(2, 0): {b"so evil"}}


def test_constant_gates_disappear_at_load() -> None:
    """Two thirds of the Core Rule Set are administration."""
    ruleset = seclang(
        'SecAction "id:1,phase:1,pass,nolog,setvar:tx.level=1"\n'
        'SecRule TX:level "@lt 2" "id:2,phase:1,pass,nolog,skipAfter:END"\n'
        'SecRule ARGS "@rx a" "id:3,phase:1,deny"\nSecMarker END\n'
        'SecRule TX:level "@eq 1" "id:4,phase:1,deny,chain"\nSecRule ARGS "@rx b"\n'
    )

    folded = fold(steps_by_phase(ruleset), {})[1]

    assert [folded.steps[position].rule.id for position in folded.always] == [4]
    assert len(folded.steps[folded.always[0]].links) == 1
    assert FastProgram(ruleset) is not None


def test_much_new_text_is_not_even_decoded_in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the loop does before it hands over is bounded in bytes, not only in time: decoding 4 kB for forty
    chains took five milliseconds before anybody looked at the clock."""
    inspector = Inspector(embedded(), clock=lambda: 0.0)
    decoded: list[int] = []
    of = Outcomes.of

    def counting(self: Outcomes, values: list[bytes]) -> Texts:
        decoded.append(sum(map(len, values)))
        return of(self, values)

    monkeypatch.setattr(Outcomes, "of", counting)
    head = get(b"/", BROWSER)
    inspector.inspect_head(head, 0.0)
    decoded.clear()

    for body in (b"t=" + b"it's " * 400, b"&".join(b"a%d=it's" % number for number in range(100))):
        with pytest.raises(TooDear):
            inspector.inspect_body(post(body), body, 0.0, hurried=True)

    assert sum(decoded) < ODD_BYTES_MAX
    inspector.inspect_body(post(body), body, 0.0)
    assert sum(decoded) > ODD_BYTES_MAX


def test_text_that_was_quiet_before_is_no_text_in_a_hurry() -> None:
    """The text of a GraphQL query comes again and has some kilobytes."""
    inspector = Inspector(embedded(), clock=lambda: 0.0)
    body = b"query=" + b"see you at nine! " * 300
    inspector.inspect_body(post(body), body, 0.0)

    assert inspector.inspect_body(post(body), body, 0.0, hurried=True) is PASS
