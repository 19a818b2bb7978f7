"""Cache-Control in both directions, and its targeted cousin."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.l7.cache.directives import SECONDS_MAX, Directives, parse, parse_targeted


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b"", Directives()),
        (b"max-age=60", Directives(max_age=60)),
        (b"MaX-AgE=60 , Public", Directives(max_age=60, public=True)),
        (b'max-age="60"', Directives(max_age=60)),
        (b"max-age=003600", Directives(max_age=3600)),
        (b"max-age=99999999999", Directives(max_age=SECONDS_MAX)),
        (b"max-age=60, max-age=5", Directives(max_age=5)),
        (b"max-age='60'", Directives(max_age=0)),
        (b"max-age=-1", Directives(max_age=0)),
        (b"max-age=6x", Directives(max_age=0)),
        (b"max-age=60.5", Directives(max_age=0)),
        (b"max-age", Directives(max_age=0)),
        (b'ext="max-age=9, no-store", max-age=1', Directives(max_age=1)),
        (b"max-stale", Directives(max_stale=SECONDS_MAX)),
        (b"max-stale=5, min-fresh=7", Directives(max_stale=5, min_fresh=7)),
        (b"only-if-cached", Directives(only_if_cached=True)),
        (b"s-maxage=1, stale-while-revalidate=2, stale-if-error=3",
         Directives(s_maxage=1, stale_while_revalidate=2, stale_if_error=3)),
        (b"no-store, no-cache, private", Directives(no_store=True, no_cache=True, private=True)),
        (b'private="Set-Cookie, x-y"', Directives(hidden=frozenset({b"set-cookie", b"x-y"}))),
        (b"must-revalidate,proxy-revalidate,must-understand",
         Directives(must_revalidate=True, proxy_revalidate=True, must_understand=True)),
        (b",, =x, @, no-store", Directives(no_store=True)),
    ],
)  # fmt: skip
def test_what_a_field_says(value: bytes, said: Directives) -> None:
    """In doubt the reading that caches less."""
    assert parse(value) == said


@given(st.text(alphabet=' ,="\\;amx-g5\t', max_size=30).map(str.encode))
def test_no_field_makes_it_raise_or_hang(value: bytes) -> None:
    """Phones write this field as well.  No lifetime is negative, whatever it says."""
    said = parse(value)

    assert min(said.max_age or 0, said.explicit_s() or 0, said.min_fresh or 0) >= 0


@pytest.mark.parametrize("directive", ["no-store", "private", "no-cache"])
@given(before=st.text(alphabet="ab=,5 ", max_size=12), after=st.text(alphabet="ab=,5 ", max_size=12))
def test_a_prohibition_is_seen_whatever_stands_beside_it(directive: str, before: str, after: str) -> None:
    """Garbage in front of no-store must not make us store."""
    said = parse(f"{before},{directive},{after}".encode())

    assert getattr(said, directive.replace("-", "_"))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b"max-age=60", Directives(max_age=60)),
        (b"max-age=60, no-store", Directives(max_age=60, no_store=True)),
        (b"max-age=60;x=1, private=?1, public=?0", Directives(max_age=60, private=True)),
        (b"max-age=60, &&&&", None),
        (b'max-age="60"', None),
        (b"max-age=6.5", None),
        (b"Max-Age=60", None),
    ],
)
def test_the_targeted_field_is_right_or_ignored(value: bytes, said: Directives | None) -> None:
    """RFC 9213 section 2.2: a Structured Field that does not parse is not there."""
    assert parse_targeted(value) == said
