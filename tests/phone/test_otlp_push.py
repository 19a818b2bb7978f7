"""Spans on their way to a collector: a real socket, a collector of ten lines."""

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import h11
import orjson
import pytest
import trio
from msgspec.structs import replace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from edge.phone.otlp_push import QUEUE_SPANS_MAX, Exporter, PushFailed
from edge.phone.otlp_settings import ATTEMPTS_MAX, Settings, settings_from
from tests.kit.hubs import until
from tests.kit.traces import cold_feed
from tests.phone.test_otlp import read_by_the_oracle

OFFSET_NS = 1_700_000_000_000_000_000


class Collector:
    """Answers with `statuses`, one after the other, then 200; notes what it was sent."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.heads: list[h11.Request] = []
        self.bodies: list[bytes] = []
        self.port = 0

    def settings(self, **environment: str) -> Settings:
        found = settings_from({"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.port}", **environment})
        assert found is not None
        return found

    async def serve(self, stream: trio.SocketStream) -> None:
        http = h11.Connection(h11.SERVER)
        body = b""
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(bytes(await stream.receive_some(65536)))
            elif isinstance(event, h11.Request):
                self.heads.append(event)
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                break
        self.bodies.append(body)
        status = self.statuses.pop(0) if self.statuses else 200
        headers = [("content-length", "2"), ("retry-after", "0")]
        data = http.send(h11.Response(status_code=status, headers=headers)) or b""
        await stream.send_all(data + (http.send(h11.Data(b"{}")) or b""))


@asynccontextmanager
async def running(collector: Collector) -> AsyncIterator[Collector]:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    collector.port = listeners[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(trio.serve_listeners, collector.serve, listeners))
        yield collector
        nursery.cancel_scope.cancel()


def told(body: bytes) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(body)
    return found


async def test_a_trace_arrives_as_the_official_reader_wants_it() -> None:
    """Path, type and body of OTLP/HTTP."""
    async with running(Collector()) as collector:
        exporter = Exporter(collector.settings(OTEL_RESOURCE_ATTRIBUTES="team=edge"), OFFSET_NS)
        exporter.offer(cold_feed())
        await exporter.flush()

    assert collector.heads[0].target == b"/v1/traces"
    assert (b"content-type", b"application/json") in list(collector.heads[0].headers)
    request = read_by_the_oracle(told(collector.bodies[0]))
    assert all(
        any(one.key == "team" for one in resource.resource.attributes) for resource in request.resource_spans
    )
    assert exporter.sent == len(cold_feed())


async def test_a_collector_that_is_busy_is_asked_again() -> None:
    """429 and 503, with the wait that it names."""
    async with running(Collector(429, 503)) as collector:
        exporter = Exporter(collector.settings(), OFFSET_NS)
        exporter.offer(cold_feed())
        await exporter.flush()

    assert len(collector.bodies) == 3
    assert collector.bodies[0] == collector.bodies[2]


async def test_a_collector_that_refuses_is_not_asked_again() -> None:
    """400 would be 400 the next time; the spans are dropped and counted."""
    async with running(Collector(400)) as collector:
        exporter = Exporter(collector.settings(), OFFSET_NS)
        exporter.offer(cold_feed())
        with pytest.raises(PushFailed, match="400"):
            await exporter.flush()

    assert len(collector.bodies) == 1
    assert exporter.dropped == len(cold_feed())


async def test_a_collector_that_stays_busy_is_given_up() -> None:
    """After four attempts."""
    async with running(Collector(*[503] * 9)) as collector:
        exporter = Exporter(collector.settings(), OFFSET_NS)
        exporter.offer(cold_feed())
        with pytest.raises(PushFailed, match="503"):
            await exporter.flush()

    assert len(collector.bodies) == ATTEMPTS_MAX


async def test_what_does_not_fit_is_dropped_and_counted() -> None:
    """Memory is bounded while the collector is away."""
    exporter = Exporter(Collector().settings(), OFFSET_NS)

    for _ in range(200):
        exporter.offer(cold_feed())

    assert exporter.dropped > 0
    assert exporter.dropped + QUEUE_SPANS_MAX >= 200 * len(cold_feed())


async def test_a_body_may_travel_compressed() -> None:
    """OTEL_EXPORTER_OTLP_COMPRESSION=gzip."""
    async with running(Collector()) as collector:
        exporter = Exporter(collector.settings(OTEL_EXPORTER_OTLP_COMPRESSION="gzip"), OFFSET_NS)
        exporter.offer(cold_feed())
        await exporter.flush()

    assert (b"content-encoding", b"gzip") in list(collector.heads[0].headers)
    assert told(gzip.decompress(collector.bodies[0]))["resourceSpans"]


async def test_what_is_offered_meanwhile_is_sent_with_the_next_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that was refused is lost, and the exporter lives on."""
    monkeypatch.setattr("edge.phone.otlp_push.DELAY_S", 0.0)
    async with running(Collector(400)) as collector, trio.open_nursery() as nursery:
        exporter = Exporter(collector.settings(), OFFSET_NS)
        nursery.start_soon(exporter.run)
        exporter.offer(cold_feed())
        await until(lambda: exporter.failure)
        exporter.offer(cold_feed())
        await until(lambda: exporter.sent)
        nursery.cancel_scope.cancel()

    assert exporter.sent == exporter.dropped == len(cold_feed())


async def test_a_collector_may_want_protobuf() -> None:
    """OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf, the default of most of them."""
    spans = [replace(one, span_id=f"{at + 1:016x}", parent_id="") for at, one in enumerate(cold_feed())]
    async with running(Collector()) as collector:
        exporter = Exporter(collector.settings(OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf"), OFFSET_NS)
        exporter.offer(spans)
        await exporter.flush()

    request = ExportTraceServiceRequest()
    request.ParseFromString(collector.bodies[0])
    assert (b"content-type", b"application/x-protobuf") in list(collector.heads[0].headers)
    assert sum(len(one.scope_spans[0].spans) for one in request.resource_spans) == len(spans)


async def test_a_trace_outside_the_sample_stays_here() -> None:
    """always_off sends nothing, and opens no connection."""
    exporter = Exporter(Collector().settings(OTEL_TRACES_SAMPLER="always_off"), OFFSET_NS)
    exporter.offer(cold_feed())

    await exporter.flush()

    assert exporter.sent == exporter.dropped == 0
