"""How long, and how old already."""

from email.utils import formatdate

import pytest

from edge.common.config import CacheConfig
from edge.l7.cache.fields import grouped
from edge.l7.cache.freshness import initial_age_s, lifetime_s, response_directives

NOW = 1_800_000_000.0
CONFIG = CacheConfig(heuristic_share=0.1, heuristic_s_max=1000.0)


def at(offset: float) -> bytes:
    return formatdate(NOW + offset, usegmt=True).encode()


def lifetime(*fields: tuple[bytes, bytes], status: int = 200) -> float | None:
    by_name = grouped(fields)
    return lifetime_s(status, by_name, response_directives(by_name), CONFIG, NOW)


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ([(b"cache-control", b"max-age=60, s-maxage=5")], 5.0),
        ([(b"cache-control", b"max-age=60"), (b"expires", at(-5))], 60.0),
        ([(b"cache-control", b"max-age=60"), (b"cdn-cache-control", b"max-age=7")], 7.0),
        ([(b"cache-control", b"max-age=60"), (b"cdn-cache-control", b"&&")], 60.0),
        ([(b"expires", at(100)), (b"date", at(40))], 60.0),
        ([(b"expires", at(100))], 100.0),
        ([(b"expires", b"0")], 0.0),
        ([(b"expires", at(100)), (b"expires", at(100))], 0.0),
        ([(b"last-modified", at(-500)), (b"date", at(0))], 50.0),
        ([(b"last-modified", at(-500_000))], 1000.0),
        ([(b"last-modified", at(50))], None),
        ([], None),
    ],
)
def test_the_lifetime_comes_from_the_most_particular_source(
    fields: list[tuple[bytes, bytes]], seconds: float | None
) -> None:
    """Targeted, s-maxage, max-age, Expires, and at last a guess."""
    assert lifetime(*fields) == seconds


def test_only_some_statuses_may_be_guessed_at() -> None:
    """RFC 9110 section 15.1; `public` lifts that."""
    modified = (b"last-modified", at(-500))

    assert lifetime(modified, status=403) is None
    assert lifetime(modified, status=404) == 50.0
    assert lifetime(modified, (b"cache-control", b"public"), status=599) == 50.0


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ([], 2.0),
        ([(b"age", b"30")], 32.0),
        ([(b"age", b"30, 0")], 32.0),
        ([(b"age", b"0"), (b"age", b"30")], 2.0),
        ([(b"age", b"-5")], 2.0),
        ([(b"age", b"7.0")], 2.0),
        ([(b"date", at(-100))], 100.0),
        ([(b"date", at(-100)), (b"age", b"500")], 502.0),
        ([(b"date", at(100))], 2.0),
    ],
)
def test_the_age_is_the_older_of_what_is_said_and_what_is_seen(
    fields: list[tuple[bytes, bytes]], seconds: float
) -> None:
    """RFC 9111 section 4.2.3, with two seconds of delay on the way."""
    assert initial_age_s(grouped(tuple(fields)), 2.0, NOW) == seconds
