"""Ask every endpoint whether it is well.  [I/O]

One task looks when the next check is due and starts it; each check is a
connection of its own (a kept-alive one would not notice that nobody accepts any
more), a GET, and a look at status, headers and body.  What follows from it is
the `Cluster`'s business.  Time is CLOCK_MONOTONIC, as everywhere in the worker:
Trio's own clock starts somewhere else.
"""

import time
from collections.abc import Callable, Iterable
from typing import Final

import h11
import trio

from edge.common.config import HealthConfig
from edge.common.log import Log
from edge.l7.upstream.cluster import Cluster
from edge.l7.upstream.endpoints import Endpoint

# How long the loop sleeps at most: clusters come and go with a new configuration.
LOOK_S: Final = 0.5
LOOK_S_MIN: Final = 0.01
BODY_BYTES_MAX: Final = 64 * 1024
_READ_BYTES: Final = 16 * 1024


async def run_checks(clusters: Callable[[], Iterable[Cluster]], log: Log) -> None:
    """Check the endpoints of `clusters()` until cancelled."""
    async with trio.open_nursery() as nursery:
        while True:
            now = time.monotonic()
            next_at = now + LOOK_S
            for cluster in clusters():
                for endpoint in cluster.due_checks(now):
                    nursery.start_soon(_check, cluster, endpoint, log)
                next_at = min(next_at, cluster.next_check_at())
            await trio.sleep(max(LOOK_S_MIN, next_at - time.monotonic()))


async def _check(cluster: Cluster, endpoint: Endpoint, log: Log) -> None:
    health = cluster.config.health
    began = time.monotonic()
    problem = f"no answer within {health.timeout_s:g} s"
    with trio.move_on_after(health.timeout_s):
        try:
            problem = await ask(endpoint.address, health)
        except (OSError, ValueError, trio.BrokenResourceError, h11.RemoteProtocolError) as error:
            problem = f"{type(error).__name__}: {error}"[:200]
    now = time.monotonic()
    took_ms = (now - began) * 1000.0
    if not problem and 0.0 < health.latency_ms_max < took_ms:
        problem = f"took {took_ms:.0f} ms"
    if cluster.checked(endpoint, not problem, problem or f"well, {took_ms:.1f} ms", now):
        note = log.warning if problem else log.info
        note(
            "upstream.health",
            cluster=cluster.config.name,
            endpoint=endpoint.name,
            up=not problem,
            why=problem or "well again",
        )


async def ask(address: str, health: HealthConfig) -> str:
    """What is wrong with the endpoint at `address`; "" if nothing.

    Raises `OSError`, `ValueError` (no address), `trio.BrokenResourceError` or
    `h11.RemoteProtocolError` where there is no answer at all.
    """
    host, _, port = address.rpartition(":")
    stream = await trio.open_tcp_stream(host.strip("[]"), int(port))
    async with stream:
        connection = h11.Connection(h11.CLIENT)
        fields = [("host", address), ("user-agent", "edge-health"), ("connection", "close")]
        request = h11.Request(method="GET", target=health.path, headers=fields)
        await stream.send_all(connection.send(request) + connection.send(h11.EndOfMessage()))
        head: h11.Response | None = None
        body = bytearray()
        while len(body) < BODY_BYTES_MAX:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await stream.receive_some(_READ_BYTES))
            elif isinstance(event, h11.Response):
                head = event
                if not health.expect_body:
                    break  # the status says it all
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed) or event is h11.PAUSED:
                break
    return "the connection was closed without an answer" if head is None else judge(head, bytes(body), health)


def judge(head: h11.Response, body: bytes, health: HealthConfig) -> str:
    """What is wrong with this answer; "" if nothing."""
    if head.status_code not in health.expect_status:
        return f"status {head.status_code}"
    for name, text in health.expect_header.items():
        values = [value for key, value in head.headers if key == name.lower().encode()]
        if not any(text.encode() in value for value in values):
            return f"header {name} does not contain {text!r}"
    if health.expect_body and health.expect_body.encode() not in body:
        return f"the body does not contain {health.expect_body!r}"
    return ""
