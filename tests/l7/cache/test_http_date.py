"""Three spellings and no others."""

from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.l7.cache.http_date import parse_date

MOMENT = 784111777.0  # RFC 9110 section 5.6.7's example


@pytest.mark.parametrize(
    "text",
    [
        b"Sun, 06 Nov 1994 08:49:37 GMT",
        b"Sunday, 06-Nov-94 08:49:37 GMT",
        b"Sun Nov  6 08:49:37 1994",
        b"SUN, 06 nov 1994 08:49:37 gmt",
    ],
)
def test_the_three_spellings_of_the_standard_are_read(text: bytes) -> None:
    """Whatever the case, and the two obsolete ones too."""
    assert parse_date(text) == MOMENT


@pytest.mark.parametrize(
    "text",
    [
        b"0", b"", b"-1", b"Sun, 06 Nov 1994 08:49:37 UTC", b"Sun, 06 Nov 1994 08:49:37 AEST",
        b"Sun, 06 Nov 94 08:49:37 GMT", b"Sun 06 Nov 1994 08:49:37 GMT", b"Sun,  06 Nov 1994 08:49:37 GMT",
        b"Sun, 06-Nov-1994 08:49:37 GMT", b"Sun, 06 Nov 1994 08.49.37 GMT", b"Sun, 06 Nov 1994 8:49:37 GMT",
        b"Sun, 06 Nov 1994 24:49:37 GMT", b"Sun, 00 Nov 1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 08:49:37 GMT x",
    ],
)  # fmt: skip
def test_anything_else_is_no_date(text: bytes) -> None:
    """A guess would decide how long somebody is served something old."""
    assert parse_date(text) is None


@given(st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1)))
def test_it_agrees_with_the_standard_library(moment: datetime) -> None:
    """The oracle reads the same text."""
    text = format_datetime(moment.replace(microsecond=0, tzinfo=UTC), usegmt=True)

    assert parse_date(text.encode()) == parsedate_to_datetime(text).timestamp()


@given(st.binary(max_size=40))
def test_no_bytes_make_it_raise(text: bytes) -> None:
    """The value comes from a service that may be broken.  What is taken for a date is a whole second."""
    found = parse_date(text)

    assert found is None or found == int(found)
