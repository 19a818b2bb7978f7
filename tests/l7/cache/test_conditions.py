"""What the phone has, and which part it wants."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.l7.cache.conditions import byte_range, may_use_range, not_modified

LATER, EARLIER = b"Sun, 06 Nov 1994 08:49:38 GMT", b"Sun, 06 Nov 1994 08:49:36 GMT"
MOMENT = 784111777.0


@pytest.mark.parametrize(
    ("if_none_match", "etag", "fits"),
    [
        (b'"a"', b'"a"', True),
        (b'W/"a"', b'"a"', True),
        (b'"a"', b'W/"a"', True),
        (b'"x", "a" , "y"', b'"a"', True),
        (b'"x,\\"', b'"a"', False),
        (b"*", None, True),
        (b'"a"', None, False),
        (b'"b"', b'"a"', False),
        (b"a", b"a", True),
    ],
)
def test_entity_tags_are_compared_weakly(if_none_match: bytes, etag: bytes | None, fits: bool) -> None:
    """RFC 9110 section 13.1.2."""
    assert not_modified(if_none_match, None, etag, None, 0.0) is fits


def test_the_tag_goes_before_the_date() -> None:
    """RFC 9110 section 13.2.2: with If-None-Match, If-Modified-Since is not looked at."""
    assert not not_modified(b'"b"', LATER, b'"a"', MOMENT, MOMENT)
    assert not_modified(None, LATER, b'"a"', MOMENT, MOMENT)
    assert not not_modified(None, EARLIER, None, MOMENT, MOMENT)
    assert not_modified(None, LATER, None, None, MOMENT)
    assert not not_modified(None, b"yesterday", None, MOMENT, MOMENT)


@pytest.mark.parametrize(
    ("value", "part"),
    [
        (b"bytes=0-1", (0, 1)),
        (b"bytes=5-", (5, 9)),
        (b"bytes=-3", (7, 9)),
        (b"bytes=-30", (0, 9)),
        (b"bytes=0-100", (0, 9)),
        (b"BYTES=0-0", (0, 0)),
        (b"bytes=10-", "unsatisfiable"),
        (b"bytes=-0", "unsatisfiable"),
        (b"bytes=5-3", None),
        (b"bytes=-", None),
        (b"bytes=0-1,3-4", None),
        (b"lines=0-1", None),
        (b"bytes=0-" + b"9" * 40, None),
    ],
)
def test_a_single_range_is_cut_and_anything_else_gets_the_whole(value: bytes, part: object) -> None:
    """RFC 9110 section 14; a server may always ignore Range."""
    assert byte_range(value, 10) == part


@given(st.binary(min_size=1, max_size=20), st.integers(0, 25), st.integers(0, 25))
def test_a_range_is_what_slicing_says(body: bytes, first: int, last: int) -> None:
    """The oracle is Python's own slice."""
    part = byte_range(b"bytes=%d-%d" % (first, last), len(body))

    if part is None:
        assert last < first
    elif part == "unsatisfiable":
        assert first >= len(body)
    else:
        assert body[part[0] : part[1] + 1] == body[first : last + 1]


def test_a_part_of_something_else_is_not_sent() -> None:
    """If-Range compares strongly: weak tags do not vouch for bytes."""
    assert may_use_range(None, None, None)
    assert may_use_range(b'"a"', b'"a"', None)
    assert not may_use_range(b'"a"', b'"b"', None)
    assert not may_use_range(b'W/"a"', b'W/"a"', None)
    assert may_use_range(LATER, None, LATER)
    assert not may_use_range(EARLIER, None, LATER)
