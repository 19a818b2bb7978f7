"""One stored response, served again."""

from email.utils import formatdate

from edge.common.config import CacheConfig
from edge.l7.cache.entry import Entry, selecting, vary_names
from edge.l7.cache.fields import grouped
from edge.l7.request import Request

UNIX = 1_800_000_000.0
DATE = formatdate(UNIX, usegmt=True).encode()


def entry(*fields: tuple[bytes, bytes], body: bytes = b"0123456789") -> Entry:
    all_fields = (
        (b"cache-control", b"max-age=60"),
        (b"date", DATE),
        (b"content-type", b"text/plain"),
        *fields,
    )
    made = Entry(200, all_fields, body, (), ())
    made.date_from(grouped(all_fields), CacheConfig(), 0.0, 100.0, UNIX)
    return made


def test_a_hit_says_its_age_and_what_is_left() -> None:
    """RFC 9111 section 5.1 and RFC 9211."""
    answer = entry().answer({}, now=110.5, why="test")

    assert (answer.status, answer.body, answer.content_type) == (200, b"0123456789", b"text/plain")
    assert (b"age", b"10") in answer.headers
    assert (b"cache-status", b"edge-cache; hit; ttl=50") in answer.headers
    assert (b"date", DATE) in answer.headers


def test_within_a_second_the_answer_is_the_same_object() -> None:
    """A hit on a popular picture costs no building."""
    stored = entry()

    assert stored.answer({}, 110.1, "") is stored.answer({}, 110.9, "")
    assert stored.answer({}, 110.1, "") is not stored.answer({}, 111.1, "")


def test_a_phone_that_has_it_gets_304_and_one_that_wants_a_part_gets_206() -> None:
    """Neither needs the service."""
    stored = entry((b"etag", b'"v1"'))

    unchanged = stored.answer({b"if-none-match": [b'"v1"']}, 101.0, "")
    part = stored.answer({b"range": [b"bytes=2-4"]}, 101.0, "")
    beyond = stored.answer({b"range": [b"bytes=20-"]}, 101.0, "")
    of_another = stored.answer({b"range": [b"bytes=2-4"], b"if-range": [b'"v0"']}, 101.0, "")

    assert (unchanged.status, unchanged.body) == (304, b"")
    assert (b"etag", b'"v1"') in unchanged.headers
    assert (part.status, part.body) == (206, b"234")
    assert (b"content-range", b"bytes 2-4/10") in part.headers
    assert (beyond.status, beyond.headers[0]) == (416, (b"content-range", b"bytes */10"))
    assert (of_another.status, of_another.body) == (200, b"0123456789")


def test_a_304_makes_it_fresh_again_with_what_it_says_anew() -> None:
    """RFC 9111 section 4.3.4."""
    stored = entry((b"x", b"1"))

    stored.freshen(((b"x", b"2"), (b"cache-control", b"max-age=5")), CacheConfig(), 0.5, 200.0, UNIX + 100)

    answer = stored.answer({}, 202.0, "")
    assert (b"x", b"2") in answer.headers
    assert (b"age", b"2") in answer.headers
    assert stored.lifetime == 5.0


def test_what_has_to_be_validated_is_never_served_stale() -> None:
    """s-maxage implies proxy-revalidate (RFC 9111 section 5.2.2.10)."""
    for said in (b"must-revalidate", b"proxy-revalidate", b"no-cache", b"s-maxage=1"):
        made = Entry(200, (), b"", (), ())
        made.date_from({b"cache-control": [said]}, CacheConfig(), 0.0, 0.0, UNIX)
        assert made.bound_to_validate()
    assert not entry().bound_to_validate()


def test_variants_are_told_apart_by_what_vary_names() -> None:
    """Blanks and line breaks do not make a variant; languages know no case."""
    names = vary_names({b"vary": [b"Accept-Language, X", b"x,"]})
    one = Request("GET", b"/", ((b"accept-language", b"hi-IN, en"), (b"x", b"a"), (b"x", b"b")))
    same = Request("GET", b"/", ((b"x", b"a,  b"), (b"accept-language", b"HI-in,en")))
    other = Request("GET", b"/", ((b"x", b"a"),))

    assert names == (b"accept-language", b"x")
    assert selecting(one, names) == selecting(same, names) != selecting(other, names)
