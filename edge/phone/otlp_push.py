"""Send traces to an OpenTelemetry collector.  [I/O]

Spans are offered without waiting and sent in batches by one task.  What does not
fit is dropped and counted: telemetry must never hold up what it observes.  A batch
is sent again only where OTLP allows it (`edge.phone.otlp_settings`), each time on a
connection of its own; a few batches a second need no pool.
"""

import gzip
import random
import ssl
from collections import deque
from collections.abc import Sequence

import h11
import orjson
import trio

from edge.common.errors import EdgeError
from edge.common.spans import Span
from edge.phone import otlp, otlp_protobuf
from edge.phone.otlp_settings import Settings, wait_before_retry

# The defaults of OpenTelemetry's batch span processor (OTEL_BSP_*).
BATCH_SPANS_MAX = 512
QUEUE_SPANS_MAX = 2048
# Sooner than its 5 s: a student looks at the collector right after the request.
DELAY_S = 1.0
REPLY_BYTES_MAX = 64 * 1024


class PushFailed(EdgeError):
    """The collector did not take a batch; the text says why."""

    blame = "operator"


class Exporter:
    """The spans that wait for one collector."""

    def __init__(self, settings: Settings, unix_offset_ns: int) -> None:
        self._settings = settings
        self._unix_offset_ns = unix_offset_ns
        self._queue: deque[Span] = deque()
        self._wakeup = trio.Event()
        self.sent = 0
        self.dropped = 0
        self.failure = ""  # the latest

    def offer(self, spans: Sequence[Span]) -> None:
        """Queue one trace; all of it or nothing."""
        if not spans or not self._settings.wants(spans[0].trace_id):
            return
        if len(self._queue) + len(spans) > QUEUE_SPANS_MAX:
            self.dropped += len(spans)
            return
        self._queue.extend(spans)
        self._wakeup.set()

    async def run(self) -> None:
        """Send what is offered, until cancelled."""
        while True:
            await self._wakeup.wait()
            await trio.sleep(DELAY_S)  # so that spans travel together
            self._wakeup = trio.Event()
            try:
                await self.flush()
            except PushFailed as failed:
                self.failure = str(failed)
                if self._queue:  # that batch is lost, the ones behind it are not
                    self._wakeup.set()

    async def flush(self) -> None:
        """Send everything that waits.  Raises `PushFailed`; what could not be sent is dropped."""
        while self._queue:
            batch = [self._queue.popleft() for _ in range(min(BATCH_SPANS_MAX, len(self._queue)))]
            try:
                await self._deliver(batch)
            except PushFailed:
                self.dropped += len(batch)
                raise
            self.sent += len(batch)

    async def _deliver(self, batch: list[Span]) -> None:
        told = otlp.export(batch, self._unix_offset_ns, dict(self._settings.resource))
        body = otlp_protobuf.encode(told) if self._settings.protobuf else orjson.dumps(told)
        attempt = 0
        while True:
            attempt += 1
            status, retry_after, said = await self._post(body)
            if 200 <= status < 300:
                return
            pause_s = wait_before_retry(attempt, status, retry_after, random.random())
            if pause_s is None:
                raise PushFailed(f"the collector at {self._where()} did not take the trace: {said}")
            await trio.sleep(pause_s)

    async def _post(self, body: bytes) -> tuple[int, str, str]:
        """Status (0: no answer), Retry-After, and a sentence."""
        try:
            with trio.fail_after(self._settings.timeout_s):
                return await self._exchange(body)
        except trio.TooSlowError:
            return 0, "", f"no answer within {self._settings.timeout_s:g} s"
        except (OSError, trio.BrokenResourceError, h11.ProtocolError) as error:
            return 0, "", str(error) or type(error).__name__

    async def _exchange(self, body: bytes) -> tuple[int, str, str]:
        settings = self._settings
        headers = [
            ("host", self._where()),
            ("content-type", "application/x-protobuf" if settings.protobuf else "application/json"),
            ("connection", "close"),
            *settings.headers,
        ]
        if settings.gzip:
            body = gzip.compress(body, 5)
            headers.append(("content-encoding", "gzip"))
        headers.append(("content-length", str(len(body))))
        stream = await self._connect()
        async with stream:
            http = h11.Connection(h11.CLIENT, max_incomplete_event_size=REPLY_BYTES_MAX)
            head = http.send(h11.Request(method="POST", target=settings.path, headers=headers))
            await stream.send_all(head + http.send(h11.Data(body)) + http.send(h11.EndOfMessage()))
            while True:
                event = http.next_event()
                if event is h11.NEED_DATA:
                    http.receive_data(bytes(await stream.receive_some(REPLY_BYTES_MAX)))
                elif isinstance(event, h11.Response):
                    found = {bytes(name): value.decode("latin-1") for name, value in event.headers}
                    said = f"{event.status_code} {event.reason.decode('latin-1')}".strip()
                    return event.status_code, found.get(b"retry-after", ""), said
                elif isinstance(event, h11.ConnectionClosed):
                    return 0, "", "it hung up without an answer"

    async def _connect(self) -> trio.abc.Stream:
        settings = self._settings
        raw = await trio.open_tcp_stream(settings.host, settings.port)
        if settings.scheme == "http":
            return raw
        return trio.SSLStream(
            raw, ssl.create_default_context(), server_hostname=settings.host, https_compatible=True
        )

    def _where(self) -> str:
        host = self._settings.host
        return f"{f'[{host}]' if ':' in host else host}:{self._settings.port}"
