"""What readers throw away, and nothing else."""

from collections.abc import Callable

import pytest

from edge.l7.waf.normal_forms import (
    cmd_line,
    compress_whitespace,
    normalize_path,
    normalize_path_win,
    remove_comments,
    remove_comments_char,
    remove_whitespace,
    replace_comments,
    shell_words,
)

CASES = [
    (replace_comments, b"un/**/ion/* open", b"un ion "),
    (remove_comments_char, b"a/*b*/c--d#", b"abcd"),
    (remove_comments, b"a/*b*/c--d", b"ac"),
    (compress_whitespace, b"a \t\n\xa0b", b"a b"),
    (remove_whitespace, b"a \t\n\xa0b", b"ab"),
    (normalize_path, b"/a//b/./../c", b"/a/c"),
    (normalize_path, b"../../etc/passwd", b"../../etc/passwd"),
    (normalize_path, b"/../../etc", b"/etc"),
    (normalize_path_win, b"a\\..\\b", b"b"),
    (cmd_line, b'C^m"d /c;  DIR', b"cmd/c dir"),
    (shell_words, b"c\\a't' ${IFS}/e$@tc\nid", b"cat /etc;id"),
    (shell_words, b"; I'd say, we'll see; i'd'", b"; i_d say, we_ll see; id"),
    (shell_words, b"';i'd", b";id"),  # the application's own quote closes it
]


@pytest.mark.parametrize(("transform", "text", "expected"), CASES)
def test_what_a_reader_ignores_is_gone_and_the_rest_stays(
    transform: Callable[[bytes], bytes], text: bytes, expected: bytes
) -> None:
    """Rules are written against exactly these outcomes."""
    assert transform(text) == expected
