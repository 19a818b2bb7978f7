"""A pattern for joined text matches wherever the operator does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.l7.waf.matcher import Filter, Matcher
from edge.l7.waf.operators import pattern_of
from edge.l7.waf.regex import compile_pattern
from edge.l7.waf.searchable import anchored, crosses_lines, is_the_same, loosened, multi_line, searchable
from tests.l7.waf.samples import seclang


def link(text: str):  # type: ignore[no-untyped-def]
    return seclang(text).rules[0].links[0]


def test_the_ends_of_each_value_are_the_ends_of_its_line() -> None:
    """`$` stands before the separator as well."""
    matcher = Matcher([multi_line(rb"^a$"), multi_line(rb"\Ab\z")])

    assert matcher.match(b"x\x1e\na\x1e\nb") == [0, 1]
    assert matcher.match(b"xa\x1e\nbx") == []


def test_a_pattern_that_matches_nothing_at_all_is_not_worth_asking() -> None:
    """It would name its rule on every request."""
    assert searchable(link('SecRule ARGS "@rx ^a*$" "id:1"')) is None


def test_what_looks_for_line_ends_is_told_apart() -> None:
    """The separator holds one."""
    lines, other = (searchable(link(f'SecRule ARGS "@rx {one}" "id:1"')) for one in (r"[\r\n]", "evil"))

    assert lines is not None and crosses_lines(lines)
    assert other is not None and not crosses_lines(other)
    assert anchored(link('SecRule ARGS "@rx ^a" "id:1"')) and not anchored(
        link('SecRule ARGS "@rx a" "id:1"')
    )


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (rb"^[^']{0,200}'", rb"^[^']{0,}'"),
        (rb"a{3}b{2,5}c{4,}", rb"a{3}b{2,5}c{4,}"),
        (rb"a{40}", rb"a{8,}"),
        (rb"(?:ab){9,12}?", rb"(?:ab){8,}?"),
        (rb"\x{41}\p{Greek}\{1,99\}[{1,99}]{,99}", rb"\x{41}\p{Greek}\{1,99\}[{1,99}]{,99}"),
        (rb"a{1,99", rb"a{1,99"),
    ],
)
def test_large_counts_are_let_go(pattern: bytes, expected: bytes) -> None:
    """What is left matches more, and small counts, which tell rules apart, stay."""
    assert loosened(pattern) == expected


@given(st.text("ab'x", max_size=40), st.integers(0, 20), st.integers(0, 20))
def test_what_is_loosened_matches_wherever_the_pattern_does(text: str, low: int, more: int) -> None:
    """The prefilter may only name too many rules."""
    pattern = b"^[^']{%d,%d}'b{%d}" % (low, low + more, more % 3)

    if compile_pattern(pattern).found(text.encode()):
        assert compile_pattern(loosened(pattern)).found(text.encode())


@pytest.mark.parametrize(
    ("test", "same"),
    [
        ("@rx evil", True),
        ("@pm bad evil", True),
        ("@validateByteRange 1-255", True),
        (r"@rx (?i)(un)ion\s+(?:all )?select", True),
        (r"@rx (?>a|b)c++", True),
        ("@rx ^evil", False),
        ("@rx evil$", False),
        (r"@rx \Aevil", False),
        (r"@rx evil\Z", False),
        ("@rx a{30}b", False),
        ("@contains evil", False),
        ("@detectSQLi", False),
    ],
)
def test_a_pattern_that_says_the_same_is_told_from_one_that_says_more(test: str, same: bool) -> None:
    """Asking one that says more in a rule's stead would find attacks where there are none."""
    one = link(f'SecRule ARGS "{test}" "id:1"')
    pattern = searchable(one)

    assert pattern is not None
    assert is_the_same(pattern, one) is same


@pytest.mark.parametrize(
    ("test", "same"),
    [
        ("@rx evil", True),
        ("@rx (?:e)[(]vil", True),
        (r"@rx e\(vil", True),
        ("@rx (e)vil", False),
        ("@rx (?P<first>e)vil", False),
        ("@rx (?<first>e)vil", False),
        ("@rx ev(?:i(l))", False),
        ("@pm bad evil", True),
    ],
)
def test_a_rule_that_asks_for_groups_keeps_a_pattern_that_has_them(test: str, same: bool) -> None:
    """The one that is shared knows none."""
    one = link(f'SecRule ARGS "{test}" "id:1,capture"')
    pattern = searchable(one)

    assert pattern is not None
    assert is_the_same(pattern, one) is same


SHARED = [
    r"ev+i?l",
    r"(?i)(?:union|select)\b",
    r"a.b",
    r"\bx[^y]*y",
    r"[\r\n]x",
    r"(?:a|ab)(?:c|bcd)",
    r"b*?c",
]


@given(st.sampled_from(SHARED), st.text("abcdevilxyUNION select\n\r\x1e", max_size=24))
def test_what_is_shared_finds_the_same_in_the_same_place(pattern: str, text: str) -> None:
    """Where a match begins is written down, and what is matched may be read by other rules."""
    one = link(f'SecRule ARGS "@rx {pattern}" "id:1"')
    operator = one.operator
    found = searchable(one)
    assert found is not None and is_the_same(found, one)
    value = text.encode("latin-1")

    own = compile_pattern(pattern_of(operator) or b"").spans(value)
    shared = Filter([found.source]).pattern(0).spans(value)

    assert (own and own[:1]) == shared
