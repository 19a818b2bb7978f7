"""May it be stored for others?"""

from typing import Any

import pytest

from edge.l7.cache.directives import parse
from edge.l7.cache.fields import grouped
from edge.l7.cache.storable import why_not


def reason(
    response: bytes = b"max-age=60",
    *,
    fields: tuple[tuple[bytes, bytes], ...] = (),
    asked: bytes = b"",
    **more: Any,
) -> str:
    values: dict[str, Any] = {
        "status": 200, "authorized": False, "cookies": False, "cookies_allowed": False, "lifetime_s": 60.0
    }  # fmt: skip
    return why_not(fields=grouped(fields), response=parse(response), request=parse(asked), **(values | more))


def test_a_plain_response_with_a_lifetime_is_stored() -> None:
    """Nothing speaks against it."""
    assert reason() == ""


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"response": b"no-store, max-age=60"}, "no-store"),
        ({"response": b"private, max-age=60"}, "private"),
        ({"asked": b"no-store"}, "the phone said no-store"),
        ({"authorized": True}, "asked for with Authorization"),
        ({"status": 206}, "a 206 is no whole response"),
        ({"status": 304}, "a 304 is no whole response"),
        ({"status": 100}, "a 100 is no whole response"),
        (
            {"status": 599, "response": b"must-understand, no-store"},
            "must-understand, and 599 is not understood",
        ),
        ({"fields": ((b"vary", b"a"), (b"vary", b" *"))}, "vary: *"),
        ({"fields": ((b"set-cookie", b"a=b"),)}, "it sets a cookie"),
        ({"cookies": True}, "asked for with a cookie"),
        ({"lifetime_s": None}, "no lifetime"),
        ({"lifetime_s": 0.0}, "stale from the start, and nothing to validate it by"),
    ],
)
def test_what_is_not_stored_says_why(given: dict[str, Any], why: str) -> None:
    """The sentence stands in Cache-Status, so it has to be the real reason."""
    assert reason(**given) == why


@pytest.mark.parametrize(
    "given",
    [
        {"response": b"public", "authorized": True},
        {"response": b"s-maxage=5", "authorized": True},
        {"response": b"must-revalidate", "authorized": True},
        {"response": b"public", "cookies": True},
        {"cookies": True, "cookies_allowed": True},
        {"fields": ((b"set-cookie", b"a=b"),), "cookies_allowed": True},
        {"response": b"must-understand, no-store, max-age=5"},
        {"response": b"no-cache", "fields": ((b"etag", b'"1"'),), "lifetime_s": None},
        {"lifetime_s": 0.0, "fields": ((b"etag", b'"1"'),)},
    ],
)
def test_what_the_service_or_the_operator_allows_is_stored(given: dict[str, Any]) -> None:
    """RFC 9111 sections 3 and 3.5; cookies are our own rule."""
    assert reason(**given) == ""
