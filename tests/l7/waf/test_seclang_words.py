"""How targets and operators are spelt."""

from edge.l7.waf.form import Macro, Operator, Target
from edge.l7.waf.seclang_words import parse_operator, parse_target, split_targets


def test_a_bar_inside_a_selector_pattern_is_no_separator() -> None:
    """`ARGS:/a|b/|TX:x` are two targets."""
    assert split_targets(b"ARGS:/a|b/|TX:x|XML:/*") == [b"ARGS:/a|b/", b"TX:x", b"XML:/*"]
    assert parse_target(b"ARGS:/a|b/") == Target("ARGS", pattern=b"a|b")


def test_a_bare_pattern_means_rx_and_keeps_its_blanks() -> None:
    """`"a "` is not `"a"`."""
    assert parse_operator(b"!@rx a ") == Operator("rx", Macro((), b"a "), negated=True)
    assert parse_operator(b"a b") == Operator("rx", Macro((), b"a b"))
