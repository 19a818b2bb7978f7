"""From memory, by waiting, or from the service; and single flight."""

from typing import Any

from edge.common.config import CacheConfig, RouteConfig
from edge.l7.cache.flight import Flight
from edge.l7.cache.stage import PASS_S, Cache
from edge.l7.request import Request
from edge.l7.stages.route_table import make_route
from edge.l7.verdict import Answer, Verdict, Wait

UNIX = 1_800_000_000.0
ROUTE = make_route(RouteConfig(path="/*", cluster="media", cache=True))
UNCACHED = make_route(RouteConfig(path="/*", cluster="feed"))
FRESH = ((b"cache-control", b"max-age=60"),)


def request(path: str = "/a", method: str = "GET", route: Any = ROUTE, **headers: bytes) -> Request:
    headers = {"host": b"h:8443"} | headers
    fields = tuple((name.replace("_", "-").encode(), value) for name, value in headers.items())
    made = Request(method, path.encode(), fields, host="h")
    made.path, made.route = path, route
    return made


class Phone:
    """Asks the cache, and plays the service where it has to."""

    def __init__(self, **config: Any) -> None:
        self.background: list[Flight] = []
        self.cache = Cache(CacheConfig(**config))
        self.now = 100.0

    def ask(self, asked: Request) -> Verdict:
        return self.cache(asked, self.now, UNIX + self.now)

    def serve(
        self,
        asked: Request,
        fields: Any = FRESH,
        body: bytes = b"body",
        status: int = 200,
        complete: bool = True,
    ) -> Answer | None:
        """The service answers the flight of `asked`."""
        flight = asked.fetch
        assert flight is not None
        answer = flight.response(status, fields, self.now, UNIX + self.now)
        if answer is None:
            flight.data(body)
        flight.end(complete, self.now, UNIX + self.now)
        return answer

    def fetch(self, asked: Request, fields: Any = FRESH, **more: Any) -> Answer | None:
        assert self.ask(asked) is None
        return self.serve(asked, fields, **more)

    def hit(self, **how: Any) -> Answer | None:
        verdict = self.ask(request(**how))
        return verdict if isinstance(verdict, Answer) else None


def test_the_second_phone_gets_it_from_memory() -> None:
    """Until it is stale."""
    phone = Phone()
    phone.fetch(request())

    phone.now = 159.0
    fresh = phone.hit()
    phone.now = 161.0
    stale = phone.hit()

    assert fresh is not None
    assert (fresh.status, fresh.body) == (200, b"body")
    assert stale is None
    assert phone.hit(path="/b") is None


def test_head_is_answered_from_what_get_stored() -> None:
    """RFC 9110 section 9.3.2; whoever sends it leaves out the body."""
    phone = Phone()
    phone.fetch(request())

    assert phone.hit(method="HEAD") is not None


def test_a_route_without_cache_is_left_alone() -> None:
    """A feed is nobody else's."""
    phone = Phone()
    asked = request(route=UNCACHED)

    assert phone.ask(asked) is None
    assert asked.fetch is None


def test_a_thousand_misses_are_one_request_to_the_service() -> None:
    """Single flight: the others wait and are told `collapsed`."""
    phone = Phone()
    leader = request()
    others = [request() for _ in range(999)]
    assert phone.ask(leader) is None
    waits = [phone.ask(other) for other in others]

    phone.serve(leader)
    answers = [phone.ask(other) for other in others]

    assert all(isinstance(wait, Wait) and wait.token is leader.fetch.token for wait in waits)  # type: ignore[union-attr]
    assert all(isinstance(answer, Answer) and answer.body == b"body" for answer in answers)
    assert answers[0] is not None
    assert (b"cache-status", b"edge-cache; fwd=miss; collapsed; ttl=60") in answers[0].headers  # type: ignore[union-attr]
    assert (phone.cache.misses, phone.cache.collapsed) == (1, 999)


def test_who_has_waited_in_vain_goes_alone() -> None:
    """A leader that hangs must not hang everybody."""
    phone = Phone()
    leader, other = request(), request()
    phone.ask(leader)

    first = phone.ask(other)
    second = phone.ask(other)

    assert isinstance(first, Wait)
    assert second is None
    assert other.fetch is not None


def test_what_cannot_be_stored_is_not_waited_for_again() -> None:
    """Otherwise its readers would be served one after the other."""
    phone = Phone()
    leader, waiting = request(), request()
    phone.ask(leader)
    phone.ask(waiting)
    phone.serve(leader, ((b"cache-control", b"no-store"),))

    together = [phone.ask(asked) for asked in (waiting, request(), request())]
    phone.now += PASS_S + 1
    phone.ask(request())
    later = phone.ask(request())

    assert together == [None, None, None]
    assert isinstance(later, Wait)


def test_a_stale_response_is_validated_and_then_good_again() -> None:
    """304 costs the service almost nothing."""
    phone = Phone()
    phone.fetch(request(), (*FRESH, (b"etag", b'"v1"'), (b"last-modified", b"Sun, 06 Nov 1994 08:49:37 GMT")))
    phone.now = 200.0
    asked = request(if_none_match=b'"other"')

    assert phone.ask(asked) is None
    assert asked.fetch is not None
    added, dropped = asked.fetch.request_fields(), asked.fetch.drop_request_fields()
    answer = phone.serve(asked, ((b"x", b"new"),), status=304)

    assert added == ((b"if-none-match", b'"v1"'), (b"if-modified-since", b"Sun, 06 Nov 1994 08:49:37 GMT"))
    assert b"if-none-match" in dropped
    assert answer is not None
    assert (answer.status, answer.body) == (200, b"body")
    assert (b"x", b"new") in answer.headers
    assert phone.hit() is not None


def test_a_changed_response_takes_the_place_of_the_stale_one() -> None:
    """The phone gets the new one, and so does the next."""
    phone = Phone()
    phone.fetch(request(), (*FRESH, (b"etag", b'"v1"')))
    phone.now = 200.0

    assert phone.fetch(request(), (*FRESH, (b"etag", b'"v2"')), body=b"new") is None
    hit = phone.hit()

    assert hit is not None
    assert hit.body == b"new"


def test_a_service_in_trouble_is_covered_by_what_is_stale() -> None:
    """stale-if-error: 503, and no answer at all; but never past must-revalidate or the window."""
    phone = Phone()
    phone.fetch(request("/may"), ((b"cache-control", b"max-age=1, stale-if-error=100"),))
    phone.fetch(request("/must"), ((b"cache-control", b"max-age=1, must-revalidate"),))
    phone.now = 150.0
    down, dead, must = request("/may"), request("/may"), request("/must")

    covered = phone.fetch(down, status=503)
    phone.ask(dead)
    assert dead.fetch is not None
    without_answer = dead.fetch.failed(phone.now, UNIX)
    dead.fetch.end(False, phone.now, UNIX)
    uncovered = phone.fetch(must, status=503)
    phone.now = 250.0
    too_old = phone.fetch(request("/may"), status=503)

    assert covered is not None
    assert covered.body == b"body"
    assert without_answer is not None
    assert uncovered is None
    assert too_old is None


def test_stale_while_revalidate_makes_nobody_wait() -> None:
    """The stale one at once, one fetch in the background, and nothing past the window."""
    phone = Phone()
    flights: list[Flight] = []
    phone.cache = Cache(CacheConfig(), lambda request, flight: flights.append(flight))
    phone.fetch(request(), ((b"cache-control", b"max-age=10, stale-while-revalidate=20"),))
    phone.now = 115.0

    served = [phone.hit() for _ in range(5)]
    assert flights[0].response(200, FRESH, phone.now, UNIX) is None
    flights[0].data(b"new")
    flights[0].end(True, phone.now, UNIX)
    renewed = phone.hit()
    phone.now = 300.0

    assert all(answer is not None and answer.body == b"body" for answer in served)
    assert len(flights) == 1
    assert renewed is not None
    assert renewed.body == b"new"
    assert phone.hit() is None


def test_without_a_background_one_phone_fetches_and_the_others_get_the_stale_one() -> None:
    """The same promise to all but one."""
    phone = Phone()
    phone.fetch(request(), ((b"cache-control", b"max-age=10, stale-while-revalidate=20"),))
    phone.now = 115.0

    assert phone.hit() is None
    assert phone.hit() is not None


def test_a_cut_off_body_is_not_stored() -> None:
    """Half a picture for everybody would be worse than none."""
    phone = Phone()
    phone.fetch(request("/cut"), complete=False)
    phone.fetch(request("/short"), (*FRESH, (b"content-length", b"99")))

    assert phone.hit(path="/cut") is None
    assert phone.hit(path="/short") is None


def test_one_that_is_too_large_is_passed_on_and_forgotten() -> None:
    """By its announced length, or when it turns out so."""
    phone = Phone(object_bytes_max=10)
    phone.fetch(request("/announced"), (*FRESH, (b"content-length", b"11")), body=b"x" * 11)
    phone.fetch(request("/surprising"), body=b"x" * 11)

    assert phone.hit(path="/announced") is None
    assert phone.hit(path="/surprising") is None


def test_a_write_makes_the_url_and_what_it_names_unknown() -> None:
    """RFC 9111 section 4.4; a failed one changes nothing, and another host's URL is not ours to judge."""
    phone = Phone()
    for path in ("/a", "/b", "/c"):
        phone.fetch(request(path))

    phone.fetch(request("/b", "POST"), status=500)
    phone.fetch(
        request("/a", "POST"), ((b"location", b"https://h:8443/c"), (b"content-location", b"https://x/b"))
    )

    assert phone.hit(path="/a") is None
    assert phone.hit(path="/c") is None
    assert phone.hit(path="/b") is not None


def test_the_phone_may_insist_or_content_itself() -> None:
    """Cache-Control in the other direction (RFC 9111 section 5.2.1)."""
    phone = Phone()
    phone.fetch(request())
    phone.now = 130.0

    assert phone.hit(cache_control=b"no-cache") is None
    phone = Phone()
    phone.fetch(request())
    phone.now = 130.0
    assert phone.hit(cache_control=b"max-age=29") is None
    assert phone.hit(cache_control=b"max-age=31") is not None
    assert phone.hit(cache_control=b"min-fresh=31, max-age=31") is None
    phone.now = 165.0
    assert phone.hit(cache_control=b"max-stale=10") is not None
    missing = phone.hit(path="/never", cache_control=b"only-if-cached")
    assert missing is not None
    assert missing.status == 504


def test_variants_are_kept_apart() -> None:
    """Vary."""
    phone = Phone()
    varied = (*FRESH, (b"vary", b"accept-language"))
    phone.fetch(request(accept_language=b"hi"), varied, body=b"namaste")
    phone.fetch(request(accept_language=b"en"), varied, body=b"hello")

    hindi, english = phone.hit(accept_language=b"hi"), phone.hit(accept_language=b"en")

    assert hindi is not None
    assert english is not None
    assert (hindi.body, english.body) == (b"namaste", b"hello")
    assert phone.hit() is None


def test_what_a_cookie_or_authorization_brought_is_nobody_elses() -> None:
    """Unless the service says `public`."""
    phone = Phone()
    phone.fetch(request("/mine", cookie=b"a=b"))
    phone.fetch(request("/sets"), (*FRESH, (b"set-cookie", b"a=b")))
    phone.fetch(request("/auth", authorization=b"Bearer x"))
    phone.fetch(request("/public", cookie=b"a=b"), ((b"cache-control", b"public, max-age=60"),))

    assert [phone.hit(path=path) is not None for path in ("/mine", "/sets", "/auth", "/public")] == [
        False,
        False,
        False,
        True,
    ]


def test_preconditions_of_the_service_and_tunnels_pass_untouched() -> None:
    """If-Match is not for a cache to judge."""
    phone = Phone()
    phone.fetch(request())
    asked = request(if_match=b'"v1"')

    assert phone.ask(asked) is None
    assert asked.fetch is None


def test_a_made_up_port_poisons_nobodys_answer() -> None:
    """The service may write Host into a link; that answer is for who sent that Host."""
    phone = Phone()
    phone.fetch(request(host=b"h:1337"))

    assert phone.hit() is None
    assert phone.hit(host=b"H:1337") is not None


def test_a_purge_forgets() -> None:
    """Over the control channel; a host may be named with its port or without."""
    phone = Phone()
    phone.fetch(request("/media/1"))

    assert phone.cache.purge("h:1", "/media/*") == 0
    assert phone.cache.purge("h", "/media/*") == 1
    assert phone.hit(path="/media/1") is None


def test_the_phone_is_told_why_it_was_not_a_hit() -> None:
    """RFC 9211, so that nobody has to guess."""
    phone = Phone()
    stored, refused = request("/a"), request("/b")
    phone.fetch(stored)
    phone.fetch(refused, ((b"cache-control", b"private"),))

    assert stored.fetch is not None
    assert stored.fetch.reply_lines() == b"cache-status: edge-cache; fwd=uri-miss; stored\r\n"
    assert refused.fetch is not None
    assert refused.fetch.reply_lines() == b'cache-status: edge-cache; fwd=uri-miss; detail="private"\r\n'
