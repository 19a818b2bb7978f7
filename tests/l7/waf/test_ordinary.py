"""What is not looked for in ordinary text cannot be there."""

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from edge.l7.waf.ordinary import ORDINARY, are_ordinary, calm, is_closed, is_foreign
from edge.l7.waf.outcomes import Outcomes
from edge.l7.waf.regex import PatternError, compile_pattern
from edge.l7.waf.searchable import multi_line
from edge.l7.waf.transform import TRANSFORMS, pipeline_of
from tests.kit.effort import examples
from tests.l7.waf.samples import embedded, embedded_inspector
from tests.oracle.waf_differential import difference, oracle, verdict
from tests.oracle.waf_words import ordinary_request, words_of

ATOMS = [
    b"a", b"B", b"/", b"'", b"<", b"\\.", b"\\(", b"\\x41", b"\\x{3c}", b"\\x5c", b"\\d", b"\\W", b"\\s",
    b"\\b", b"\\B", b".", b"^", b"$", b"[a-z]", b"[^a-z]", b"[^A-Z]", b"[^A]", b"[A-Z]", b"[<>]", b"[^<]",
    b"[]a]", b"[^]]", b"[\\]x]", b"[[:alpha:]]", b"[[:^upper:]]", b"\\pL", b"\\p{Lu}", b"\\P{Lu}", b"{",
    b"}", b"{,2}", b"--", b" ", b"; ",
]  # fmt: skip
QUANTIFIERS = [
    b"",
    b"",
    b"",
    b"*",
    b"+",
    b"?",
    b"*?",
    b"+?",
    b"{0}",
    b"{2}",
    b"{0,2}",
    b"{1,}",
    b"{00,1}",
    b"{1}?",
]
OPENINGS = [b"(", b"(?:", b"(?i:", b"(?-i:", b"(?P<x>", b"(?s-i:"]


def groups(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Alternatives of sequences of quantified pieces."""
    piece = st.tuples(inner, st.sampled_from(QUANTIFIERS)).map(b"".join)
    sequence = st.lists(piece, max_size=3).map(b"".join)
    either = st.lists(sequence, min_size=1, max_size=3).map(b"|".join)
    return st.tuples(st.sampled_from(OPENINGS), either, st.just(b")")).map(b"".join)


PATTERN = st.tuples(
    st.sampled_from([b"", b"", b"(?i)", b"(?s)", b"(?m)"]),
    st.lists(
        st.tuples(
            st.recursive(st.sampled_from(ATOMS), groups, max_leaves=6), st.sampled_from(QUANTIFIERS)
        ).map(b"".join),
        min_size=1,
        max_size=4,
    ).map(b"".join),
).map(b"".join)
PIECES = [
    b"a",
    b"A",
    b"Bb",
    b"/",
    b"./",
    b"..",
    b"//",
    b" ",
    b"  ",
    b" /",
    b"--",
    b",",
    b";",
    b"+",
    b"&",
    b"lt;",
    b"=",
    b"7",
]
VALUE = st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map(b"".join) | st.text(
    ORDINARY.decode(), min_size=1, max_size=6
).map(str.encode)
CHAIN = st.lists(st.sampled_from(sorted(TRANSFORMS.keys() - {"none"})), max_size=4).map(tuple)


@settings(max_examples=examples(4000), deadline=None)
@given(PATTERN, VALUE)
def test_a_foreign_pattern_finds_nothing_in_ordinary_text(pattern: bytes, value: bytes) -> None:
    """Or an attack made of ordinary letters would pass unsearched."""
    try:
        found = compile_pattern(pattern).found(value)
    except PatternError:
        assume(False)
    assert not (found and is_foreign(pattern))


@settings(max_examples=examples(1500), deadline=None)
@given(CHAIN, VALUE)
def test_ordinary_text_stays_ordinary_in_closed_hands(names: tuple[str, ...], value: bytes) -> None:
    """What follows from the first text has to hold for all."""
    assume(are_ordinary([value]) and is_closed(names))

    for length in range(len(names) + 1):
        assert not pipeline_of(names[:length])(value).translate(None, ORDINARY)


@settings(max_examples=examples(4000), deadline=None)
@example(b"a()(?-i:)", ("uppercase", "shellwords"), [b"a"], False)
@given(PATTERN, CHAIN, st.lists(VALUE, min_size=1, max_size=3), st.booleans())
def test_a_calm_search_finds_what_the_rule_would(
    pattern: bytes, names: tuple[str, ...], values: list[bytes], every_stage: bool
) -> None:
    """Fewer texts, and a pattern that does not care for case, instead of every chain and its own text."""
    try:
        compiled = compile_pattern(multi_line(pattern))
    except PatternError:
        assume(False)
    assume(are_ordinary(values) and is_closed(names) and not compiled.found(b""))
    source, chain = calm(compiled.source, names)
    calm_pattern = compile_pattern(source)
    outcomes = Outcomes(calm=True)
    outcomes.plant(0, chain, every_stage)

    texts = outcomes.of(values)

    for value in values:
        looked_at = pipeline_of(names).stages(value) if every_stage else [pipeline_of(names)(value)]
        if any(compiled.found(text) for text in looked_at):
            assert any(calm_pattern.found(text) for text in texts)


@pytest.mark.parametrize(
    "pattern",
    [b"'", b"a*<b", b"(?:<|\\()x", b"[<>]+", b"x{2}\\x27", b"\\$\\{?", b"(?i)[\\x00-\\x08]"],
)
def test_what_asks_for_a_sign_is_foreign(pattern: bytes) -> None:
    """These are most rules, and the reason for all this."""
    assert is_foreign(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        b"a",
        b"a|'",
        b"'?",
        b"(?:'a)?",
        b"'{0,3}",
        b"(<)*",
        b".",
        b"[^<]",
        b"\\b",
        b"\\Q'\\E",
        b"(?R)",
        b"'|",
        b"[",
    ],
)
def test_where_the_proof_fails_the_pattern_is_searched_for(pattern: bytes) -> None:
    """A pattern that this reader does not understand is not left out."""
    assert not is_foreign(pattern)


def test_ordinary_is_what_no_decoder_changes() -> None:
    """A percent sign, a backslash, an entity or another alphabet is for the full search."""
    assert are_ordinary([b"/feed/2026-11-28/", b"page=2&lang=en", b"a+b", b"ada@example.com"])
    for foreign in (b"%41", b"\\x41", b"a&lt=3", b"&amp", b"\xc3\xa9", b"a\0", b"it's", b"a\n"):
        assert not are_ordinary([b"fine", foreign])


def test_requests_made_of_the_rules_own_words_make_no_difference() -> None:
    """A slice of `python -m tests.oracle.waf_differential --words`."""
    words = words_of(embedded())
    slow = oracle(embedded())

    for number in range(examples(1500)):
        sample = ordinary_request(words, 5, number)
        assert not difference(verdict(embedded_inspector(), sample), verdict(slow, sample)), number
