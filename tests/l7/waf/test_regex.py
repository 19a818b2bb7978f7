"""Patterns as operators write them, run by RE2."""

import pytest

from edge.l7.waf.regex import Pattern, PatternError, compile_pattern, to_re2, tokens


def test_possessive_quantifiers_become_plain_ones() -> None:
    """They only forbid backtracking, and RE2 has none; without this four rules of CRS 3.3 would be lost."""
    assert to_re2(rb"a++b*+c?+[+]+d{2}+(?>e)") == rb"a+b*c?[+]+d{2}(?:e)"


def test_a_lazy_group_opener_is_no_quantifier() -> None:
    """`(?+` never occurs, `(?i)+` must survive."""
    assert to_re2(rb"(?:a)+(?i)b") == rb"(?:a)+(?i)b"


@pytest.mark.parametrize("pattern", [b"(?<!a)b", b"(?=a)", rb"(a)\1", b"("])
def test_what_re2_cannot_run_is_refused_at_load(pattern: bytes) -> None:
    """Falling back to a backtracking engine would make the pattern a weapon."""
    with pytest.raises(PatternError):
        compile_pattern(pattern)


def test_bytes_are_latin_1_and_the_dot_matches_a_line_end() -> None:
    """CRS patterns rely on both."""
    assert compile_pattern(rb"a.\xff").found(b"a\n\xff")


def test_tokens_add_up_to_the_pattern() -> None:
    """Rewriting must never lose a byte."""
    pattern = rb"^[]\]a[:alpha:]$]\$\\$(?:x|[^]])$"
    pieces = list(tokens(pattern))

    assert b"".join(piece for piece, _ in pieces) == pattern
    assert [piece for piece, inside in pieces if piece == b"$" and not inside] == [b"$", b"$"]


def test_a_hostile_text_costs_linear_time() -> None:
    """The classic that hangs backtracking engines."""
    assert not compile_pattern(rb"^(a+)+$").found(b"a" * 20_000 + b"!")


def test_a_pattern_is_compiled_when_it_is_first_asked() -> None:
    """Most of the Core Rule Set's patterns never are, and compiled they are a third of its memory."""
    assert Pattern(rb"(?P<broken").source == rb"(?P<broken"
    with pytest.raises(PatternError):
        Pattern(rb"(?P<broken").found(b"")
