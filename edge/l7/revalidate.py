"""Fetch anew what was just served stale, without anybody waiting for it.  [I/O]

A phone has its answer already (stale-while-revalidate); this asks the service
on a connection of its own, through h11, and shows what comes back to the cache's
`Flight`.  It happens once per URL and window, so it takes the plain way and not
the fast one.  Whatever goes wrong costs nobody anything: the flight ends, and the
next phone past the window fetches for itself.
"""

import random
import time
from collections.abc import Callable
from typing import Final

import h11
import trio

from edge.l7.cache.flight import Flight
from edge.l7.outgoing import target_of
from edge.l7.request import Request
from edge.l7.upstream.cluster import Cluster, Pick

_READ_BYTES: Final = 64 * 1024
# RFC 9110 section 7.6.1, the phone's conditions, and what says who the phone is: a response that
# is stored for everybody must not be made for one.
_NOT_SENT: Final = frozenset(
    b"connection keep-alive proxy-connection te transfer-encoding upgrade trailer content-length host"
    b" if-none-match if-modified-since if-range range cookie authorization proxy-authorization"
    b" traceparent tracestate x-request-id edge-account edge-experiment edge-deadline-ms forwarded"
    b" x-forwarded-for x-forwarded-host x-forwarded-proto via expect cache-control pragma".split()
)


async def revalidate(
    cluster: Cluster, request: Request, flight: Flight, release: Callable[[object], None]
) -> None:
    """Ask once; ends `flight` and releases those who wait for it in any case."""
    whole = False
    try:
        now = time.monotonic()
        pick = cluster.pick(None, (), now, random)
        if pick is not None:
            with trio.move_on_after(cluster.config.try_timeout_s):
                whole = await _ask(cluster, pick, _head(request, flight), flight)
    finally:
        flight.end(whole, time.monotonic(), time.time())
        release(flight.token)


async def _ask(cluster: Cluster, pick: Pick, head: h11.Request, flight: Flight) -> bool:
    began = time.monotonic()
    cluster.started(pick.endpoint)
    ok = False
    try:
        host, _, port = pick.address.rpartition(":")
        async with await trio.open_tcp_stream(host.strip("[]"), int(port)) as stream:
            connection = h11.Connection(h11.CLIENT)
            await stream.send_all(connection.send(head) + connection.send(h11.EndOfMessage()))
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    connection.receive_data(await stream.receive_some(_READ_BYTES))
                elif isinstance(event, h11.Response):
                    ok = event.status_code < 500
                    fields = tuple((bytes(name), bytes(value)) for name, value in event.headers)
                    flight.response(event.status_code, fields, time.monotonic(), time.time())
                elif isinstance(event, h11.Data):
                    flight.data(bytes(event.data))
                elif isinstance(event, h11.EndOfMessage):
                    return True
                elif not isinstance(event, h11.InformationalResponse):
                    return False  # closed in the middle
    except (OSError, ValueError, trio.BrokenResourceError, h11.ProtocolError):
        return False
    finally:
        now = time.monotonic()
        cluster.finished(pick.endpoint, ok, now - began, now)


def _head(request: Request, flight: Flight) -> h11.Request:
    dropped = _NOT_SENT - flight.varies_by()
    fields = [(name, value) for name, value in request.headers if name not in dropped]
    route = request.route
    if route is not None:
        pairs = (line.partition(b": ") for line in route.request_lines.split(b"\r\n") if line)
        fields += [(name, value) for name, _, value in pairs]
    host = request.header(b"host") or b"edge"
    fields = [(b"host", host), *fields, *flight.request_fields(), (b"connection", b"close")]
    return h11.Request(method="GET", target=target_of(request), headers=fields)
