"""The prefilter may name too many rules, never too few."""

from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.l7.waf.fold import fold
from edge.l7.waf.inspector import Inspector
from edge.l7.waf.prefilter import SET_BYTES_MAX, Matcher, multi_line, prefilter_pattern
from edge.l7.waf.program import FastProgram, steps_by_phase
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


@settings(max_examples=examples(100), deadline=None)
@given(TEXT)
def test_the_filter_for_long_texts_finds_what_the_set_finds(text: bytes) -> None:
    """RE2's tracker knows of sets that ran out of memory and found nothing; this would notice."""
    patterns = [
        rb"(?m)(?i)union\s+select",
        rb"(?m)<script",
        rb"(?m)^/etc",
        rb"(?m)[\x00\xff]",
        rb"(?m)\xe9t\xe9",
        rb"(?m)'\s*or",
    ]
    matcher = Matcher(patterns)
    long = text + b" " * (SET_BYTES_MAX + 1)

    assert set(matcher.match(text)) == set(matcher.match(long))


def test_the_ends_of_each_value_are_the_ends_of_its_line() -> None:
    """`$` stands before the separator as well."""
    matcher = Matcher([multi_line(rb"^a$"), multi_line(rb"\Ab\z")])

    assert matcher.match(b"x\x1e\na\x1e\nb") == [0, 1]
    assert matcher.match(b"xa\x1e\nbx") == []


def test_a_pattern_that_matches_nothing_at_all_is_not_worth_asking() -> None:
    """It would name its rule on every request."""
    link = seclang('SecRule ARGS "@rx ^a*$" "id:1"').rules[0].links[0]

    assert prefilter_pattern(link) is None


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
