"""The corners of a fetch that the stage's tests do not reach."""

from edge.common.config import CacheConfig
from edge.l7.cache.flight import Watch
from edge.l7.cache.stage import Cache
from tests.l7.cache.test_stage import FRESH, UNIX, Phone, request


def test_end_counts_once() -> None:
    """A connection that fails may say it twice."""
    phone = Phone()
    asked = request()
    phone.fetch(asked)
    assert asked.fetch is not None

    asked.fetch.end(False, phone.now, UNIX)

    assert phone.hit() is not None


def test_a_head_freshens_what_it_agrees_with_and_ends_what_it_contradicts() -> None:
    """RFC 9111 section 4.3.5."""
    phone = Phone()
    phone.fetch(request("/same"), (*FRESH, (b"etag", b'"1"')))
    phone.fetch(request("/changed"), (*FRESH, (b"etag", b'"1"')))
    phone.now = 150.0

    phone.fetch(request("/same", "HEAD", cache_control=b"no-cache"), (*FRESH, (b"etag", b'"1"')), body=b"")
    phone.fetch(request("/changed", "HEAD", cache_control=b"no-cache"), (*FRESH, (b"etag", b'"2"')), body=b"")
    phone.now = 155.0
    changed = phone.hit(path="/changed")
    phone.now = 200.0

    assert changed is None
    assert phone.hit(path="/same") is not None


def test_a_head_does_not_freshen_another_status_nor_what_may_not_be_kept() -> None:
    """Found by a random walk: a stored 404 became fresh again through a HEAD that said 200."""
    phone = Phone()
    for path in ("/missing", "/secret"):
        phone.fetch(request(path), status=404 if path == "/missing" else 200)
    phone.now = 150.0

    phone.fetch(request("/missing", "HEAD", cache_control=b"no-cache"), body=b"")
    phone.fetch(
        request("/secret", "HEAD", cache_control=b"no-cache"), ((b"cache-control", b"private"),), body=b""
    )
    secret = phone.hit(path="/secret")
    phone.now = 165.0

    assert secret is None
    assert phone.hit(path="/missing") is None


def test_a_part_of_something_is_passed_through() -> None:
    """What is not in memory is asked for as the phone asked, and a 206 is not stored."""
    phone = Phone()
    asked = request(range=b"bytes=0-1")

    assert phone.ask(asked) is None
    assert asked.fetch is not None
    assert asked.fetch.drop_request_fields() == frozenset()
    phone.serve(asked, FRESH, status=206)

    assert phone.hit() is None


def test_a_response_that_may_not_be_stored_ends_the_older_one() -> None:
    """The service has spoken: what it gives now is private."""
    phone = Phone()
    phone.fetch(request(), ((b"cache-control", b"max-age=60, stale-if-error=600"),))
    phone.fetch(request(cache_control=b"no-cache"), ((b"cache-control", b"no-store"),))

    assert phone.hit() is None


def test_relative_and_foreign_locations() -> None:
    """A Location may be a whole URL, an absolute path or a relative one."""
    cache = Cache(CacheConfig())
    phone = Phone()
    phone.cache = cache
    for path in ("/d/x", "/d/y"):
        phone.fetch(request(path))

    watch = Watch(cache, ("h:8443", "/d/new", b""))
    watch.response(201, ((b"Location", b"x"), (b"Content-Location", b"http://elsewhere/d/y")), 0.0, 0.0)

    assert phone.hit(path="/d/x") is None
    assert phone.hit(path="/d/y") is not None
    assert watch.failed(0.0, 0.0) is None
    assert (watch.request_fields(), watch.drop_request_fields()) == ((), frozenset())
