"""Conditional requests and ranges, by RFC 9110."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.media.conditional import not_modified, range_counts, wanted_range

TAG = b'"abc"'
MODIFIED = 1_767_225_600
DATE = b"Thu, 01 Jan 2026 00:00:00 GMT"


@pytest.mark.parametrize(
    ("none_match", "since", "spared"),
    [
        (None, None, False),
        (TAG, None, True),
        (b'W/"abc"', None, True),  # section 13.1.2: weak comparison
        (b'"x", "abc"', None, True),
        (b"*", None, True),
        (b'"x"', None, False),
        (b'"x"', DATE, False),  # section 13.1.3: the date is ignored beside a tag
        (None, DATE, True),
        (None, b"Fri, 02 Jan 2026 00:00:00 GMT", True),
        (None, b"Wed, 31 Dec 2025 23:59:59 GMT", False),
        (None, b"not a date", False),
        (None, b"\xff", False),
    ],
)
def test_a_request_that_has_it_already_is_spared(
    none_match: bytes | None, since: bytes | None, spared: bool
) -> None:
    """304 instead of two hundred kilobytes."""
    assert not_modified(TAG, MODIFIED, none_match, since) is spared


@pytest.mark.parametrize(
    ("value", "part"),
    [
        (None, None),
        (b"bytes=0-0", (0, 0)),
        (b"bytes=2-5", (2, 5)),
        (b"bytes=2-", (2, 9)),
        (b"bytes=2-99", (2, 9)),
        (b"bytes=-3", (7, 9)),
        (b"bytes=-99", (0, 9)),
        (b"bytes=5-2", None),
        (b"bytes=-", None),
        (b"bytes=0-1,3-4", None),
        (b"lines=0-1", None),
        (b"bytes=a-b", None),
    ],
)
def test_one_range_is_given_and_anything_strange_gets_the_whole(
    value: bytes | None, part: tuple[int, int] | None
) -> None:
    """Section 14.2: a server may ignore a Range."""
    assert wanted_range(value, 10) == part


@pytest.mark.parametrize("value", [b"bytes=10-", b"bytes=10-20", b"bytes=-0"])
def test_a_range_outside_is_416(value: bytes) -> None:
    """Section 15.5.17."""
    with pytest.raises(ValueError):
        wanted_range(value, 10)


@given(st.binary(max_size=30), st.integers(1, 100))
def test_no_range_reaches_outside(value: bytes, size: int) -> None:
    """A slice that lies about itself corrupts a download."""
    try:
        part = wanted_range(b"bytes=" + value, size)
    except ValueError:
        return
    assert part is None or 0 <= part[0] <= part[1] < size


def test_a_range_counts_only_for_the_same_file() -> None:
    """Section 13.1.5: else two halves of two pictures would be glued together."""
    assert range_counts(None, TAG, MODIFIED)
    assert range_counts(TAG, TAG, MODIFIED)
    assert range_counts(DATE, TAG, MODIFIED)
    assert not range_counts(b'"old"', TAG, MODIFIED)
    assert not range_counts(b'W/"abc"', TAG, MODIFIED)
    assert not range_counts(b"Fri, 02 Jan 2026 00:00:00 GMT", TAG, MODIFIED)
