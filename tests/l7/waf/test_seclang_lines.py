"""How a file is cut into directives."""

from edge.l7.waf.problem import Problems
from edge.l7.waf.seclang_lines import directives


def cut(text: bytes) -> tuple[list[tuple[str, tuple[bytes, ...], int]], list[str]]:
    problems = Problems()
    found = [(one.name, one.arguments, one.place.line) for one in directives(text, "x.conf", problems)]
    return found, problems.errors


def test_a_backslash_joins_lines_and_the_first_one_is_the_place() -> None:
    """An operator looks where the rule begins; comments may stand between its lines."""
    found, errors = cut(b'# head\nSecRule ARGS \\\n  # why\n  "@rx a\\"b" \\\r\n  "id:1"\n\nSecMarker END\n')

    assert found == [("SecRule", (b"ARGS", b'@rx a"b', b"id:1"), 2), ("SecMarker", (b"END",), 7)]
    assert errors == []


def test_bytes_stay_what_they_are() -> None:
    """A pattern may hold what is no UTF-8."""
    assert cut(b'SecRule ARGS "@rx \xff\\x41"')[0] == [("SecRule", (b"ARGS", b"@rx \xff\\x41"), 1)]


def test_what_has_no_end_is_named_and_the_rest_is_read() -> None:
    """All mistakes of a file at once."""
    found, errors = cut(b'SecRule ARGS "@rx a\nSecMarker END\nSecAction \\')

    assert found == [("SecMarker", (b"END",), 2)]
    assert errors == [
        "x.conf:1: a double quote is not closed",
        "x.conf:3: the last line ends in a backslash",
    ]
