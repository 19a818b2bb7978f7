"""The token heuristics for SQL and HTML."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.l7.waf.html_tokens import looks_like_xss
from edge.l7.waf.sql_tokens import looks_like_sqli

DEAR = [
    b"<",
    b"<a",
    b"<a ",
    b"<a on",
    b"<x style=",
    b"<a href=",
    b"<!--",
    b"<!entity ",
    b"'on",
    b'" style=',
    b"j a v a ",
]
INJECTIONS = [
    b"1' or '1'='1",
    b"admin'--",
    b"1 or 1=1",
    b"x') union all select null --",
    b"1; drop table users",
    b"1' and sleep(5)#",
    b"' || (select version()) || '",
    b"1/**/or/**/1=1",
    b"-1 union select 1,2,3",
    b"1' order by 3--",
    b"foo');waitfor delay '0:0:5'--",
]
SENTENCES = [
    b"It's a nice day and Bob's here",
    b"We need 1 or 2 of them",
    b"Union members select a speaker",
    b'She said "order by phone" -- and left',
    b"rock 'n' roll; drop me a line",
    b"5 > 3 and 2 < 4, isn't it?",
    b"O'Brien & O'Neil",
    b"",
]
SCRIPTS = [
    b"<script>alert(1)</script>",
    b"<img src=x onerror=alert(1)>",
    b'" onfocus=alert(1) autofocus="',
    b"<a href=javascript:alert(1)>x</a>",
    b"<svg/onload=alert(1)>",
    b"<iframe src=//evil>",
    b"<x:script xmlns:x='http://www.w3.org/1999/xhtml'>",
]
TEXTS = [b"a < b and c > d", b"I <3 you", b"the script is on = off", b"AT&T", b"1<2", b"click on button"]


@pytest.mark.parametrize("value", INJECTIONS)
def test_a_value_that_continues_a_statement_is_found(value: bytes) -> None:
    """Whatever the words, the shape gives it away."""
    assert looks_like_sqli(value)


@pytest.mark.parametrize("value", SENTENCES)
def test_a_sentence_is_no_sql(value: bytes) -> None:
    """A firewall that blocks O'Brien gets switched off."""
    assert not looks_like_sqli(value)


@pytest.mark.parametrize("value", SCRIPTS)
def test_markup_that_runs_is_found(value: bytes) -> None:
    """Tags, handlers and code links, in and out of attributes."""
    assert looks_like_xss(value)


@pytest.mark.parametrize("value", TEXTS)
def test_a_less_than_sign_is_no_script(value: bytes) -> None:
    """People write `<3`."""
    assert not looks_like_xss(value)


@given(st.text(alphabet="'\"`()-;/*#=<>orandunselct 1\\@", max_size=200))
def test_no_value_makes_the_tokenizers_fail(value: str) -> None:
    """They read hostile text for a living; capitals make no difference to databases and browsers."""
    text = value.encode()

    assert looks_like_sqli(text) == looks_like_sqli(text.upper())
    assert looks_like_xss(text) == looks_like_xss(text.upper())


@pytest.mark.parametrize("piece", DEAR)
@pytest.mark.parametrize("before", [b"", b"<a ", b'" onx='])
def test_markup_is_searched_in_linear_time(piece: bytes, before: bytes) -> None:
    """A pattern that tries each `<` as a beginning took six seconds for 16 kB of `<x style=`.

    Nothing is timed: with those patterns this test would take hours.  And more of the same is the same."""
    said = {looks_like_xss(before + piece * (128 * 1024 // len(piece))) for _ in range(100)}

    assert said == {looks_like_xss(before + piece * 9)}


def test_a_vertical_tab_is_a_blank_to_browsers_and_to_us() -> None:
    """RE2 does not count it, and the prefilter runs on RE2."""
    assert looks_like_xss(b"\x0bonload\x0b=alert(1)")
    assert looks_like_xss(b'"\0onload=alert(1)')
