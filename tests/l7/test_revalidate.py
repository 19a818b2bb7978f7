"""The background fetch behind stale-while-revalidate."""

import random
import time

import trio

from edge.common.config import CacheConfig, ClusterConfig, RouteConfig
from edge.l7.cache.directives import NONE
from edge.l7.cache.entry import Entry
from edge.l7.cache.flight import Flight
from edge.l7.cache.stage import Cache
from edge.l7.request import Request
from edge.l7.revalidate import revalidate
from edge.l7.stages.route_table import make_route
from edge.l7.upstream.cluster import Cluster
from edge.l7.verdict import Answer

SWR = ((b"cache-control", b"max-age=0, stale-while-revalidate=60"), (b"etag", b'"v1"'))


class Service:
    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.heads: list[bytes] = []

    async def serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            self.heads.append(await stream.receive_some(65536))
            await stream.send_all(self.answer)


async def revalidated(answer: bytes) -> tuple[Answer, list[bytes], list[object]]:
    """What the next phone gets, what the service saw, and who was released."""
    flights: list[tuple[Request, Flight]] = []
    cache = Cache(CacheConfig(), lambda request, flight: flights.append((request, flight)))
    route = make_route(RouteConfig(path="/*", cluster="c", cache=True, set_request_headers={"x-route": "1"}))

    def phone() -> Request:
        fields = (
            (b"host", b"i.edge.test"),
            (b"accept", b"*/*"),
            (b"authorization", b"Bearer x"),
            (b"cookie", b"a"),
        )
        request = Request("GET", b"/a?q=1", fields, host="i.edge.test")
        request.path, request.query, request.route = "/a", b"q=1", route
        return request

    first = Request("GET", b"/a?q=1", ((b"host", b"i.edge.test"),), host="i.edge.test")
    first.path, first.query, first.route = "/a", b"q=1", route
    assert cache(first, time.monotonic(), time.time()) is None
    assert first.fetch is not None
    first.fetch.response(200, SWR, time.monotonic(), time.time())
    first.fetch.data(b"old")
    first.fetch.end(True, time.monotonic(), time.time())

    stale = cache(phone(), time.monotonic() + 1, time.time() + 1)
    assert isinstance(stale, Answer)
    assert stale.body == b"old"
    service, released = Service(answer), []
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, service.serve, 0)
        address = f"127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        cluster = Cluster(ClusterConfig(name="c", endpoints=(address,)), time.monotonic(), random.Random(1))
        ((request, flight),) = flights
        await revalidate(cluster, request, flight, released.append)
        nursery.cancel_scope.cancel()
    assert cluster.active == 0
    after = cache(phone(), time.monotonic(), time.time())
    assert isinstance(after, Answer)
    return after, service.heads, released


async def test_a_304_makes_the_stored_one_good_again_and_a_200_replaces_it() -> None:
    """Whoever comes next has what the service says now."""
    unchanged, heads, released = await revalidated(
        b"HTTP/1.1 304 Not Modified\r\ncache-control: max-age=60\r\n\r\n"
    )
    changed, _, _ = await revalidated(
        b"HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 3\r\n\r\nnew"
    )

    assert (unchanged.body, changed.body) == (b"old", b"new")
    assert any(value.startswith(b"edge-cache; hit; ttl=") for _, value in unchanged.headers)
    assert len(released) == 1
    head = heads[0].lower()
    assert head.startswith(b"get /a?q=1 http/1.1\r\nhost: i.edge.test\r\n")
    assert b'if-none-match: "v1"' in head
    assert b"x-route: 1" in head
    assert b"cookie" not in head
    assert b"authorization" not in head


async def test_what_selects_the_variant_is_sent_as_the_phone_sent_it() -> None:
    """Fetched without the cookie, it would be stored under the cookie all the same."""
    flight = Flight(Cache(CacheConfig()), ("h", "/", b""), Request("GET", b"/", ()), {}, NONE, b"stale", 0.0,
                    stale=Entry(200, (), b"", (b"cookie",), (b"a",)))  # fmt: skip

    assert flight.varies_by() == {b"cookie"}


async def test_a_service_that_breaks_off_costs_nobody_anything() -> None:
    """The stale one stays for its window."""
    for answer in (
        b"",
        b"HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 9\r\n\r\nhalf",
        b"nonsense\r\n\r\n",
    ):
        after, _, released = await revalidated(answer)

        assert after.body == b"old"
        assert len(released) == 1
