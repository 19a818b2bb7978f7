"""When is that, in seconds since 1970?

The three spellings of RFC 9110 section 5.6.7, and no others: what a cache takes
for a date decides how long it serves a response, so a guess at "Thu, 1 Jan 70
24:00 AEST" would be worse than none.  Only case is forgiven.
"""

import re
from calendar import timegm
from functools import lru_cache

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_MONTH = rb"(?P<month>" + "|".join(_MONTHS).encode() + rb")"
_CLOCK = rb"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_DAY = rb"(?:mon|tue|wed|thu|fri|sat|sun)"
_LONG_DAY = rb"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_SPELLINGS = tuple(
    re.compile(spelling, re.IGNORECASE)
    for spelling in (
        _DAY + rb", (?P<day>\d\d) " + _MONTH + rb" (?P<year>\d{4}) " + _CLOCK + rb" gmt\Z",
        _LONG_DAY + rb", (?P<day>\d\d)-" + _MONTH + rb"-(?P<year>\d\d) " + _CLOCK + rb" gmt\Z",
        _DAY + rb" " + _MONTH + rb" (?P<day>[ \d]\d) " + _CLOCK + rb" (?P<year>\d{4})\Z",
    )
)
# RFC 9110 section 5.6.7: a two-digit year that seems more than 50 years ahead is of the past
# century.  Without a clock at hand the line is drawn at 70, as POSIX strptime does.
_CENTURY_TURN = 70


@lru_cache(maxsize=1024)
def parse_date(value: bytes) -> float | None:
    """Seconds since 1970 for `value`, or None where it is no HTTP date."""
    for spelling in _SPELLINGS:
        found = spelling.match(value)
        if found is None:
            continue
        year = int(found["year"])
        if year < 100:
            year += 1900 if year >= _CENTURY_TURN else 2000
        month = _MONTHS[found["month"].decode().lower()]
        day, hour = int(found["day"]), int(found["hour"])
        minute, second = int(found["minute"]), int(found["second"])
        # A leap second is a second (section 5.6.7 allows 60).
        if not (1 <= day <= 31 and hour < 24 and minute < 60 and second <= 60) or year < 1900:
            return None
        return float(timegm((year, month, day, hour, minute, second)))
    return None
