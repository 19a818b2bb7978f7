"""A pattern for joined text matches wherever the operator does."""

from edge.l7.waf.matcher import Matcher
from edge.l7.waf.searchable import anchored, crosses_lines, is_exotic, multi_line, searchable
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


def test_a_rule_that_looks_into_base64_keeps_to_itself() -> None:
    """What it decodes would mislead other rules' patterns."""
    assert is_exotic(link('SecRule ARGS "@rx a" "id:1,t:base64Decode"'))
    assert not is_exotic(link('SecRule ARGS "@rx a" "id:1,t:lowercase"'))
