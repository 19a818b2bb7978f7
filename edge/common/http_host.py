"""What do the connections of one HTTP server share?  [I/O]

The handler and the bounds; how many requests are in flight; the counters; and
the SERVER span that every request leaves behind.
"""

import time
from dataclasses import dataclass
from email.utils import formatdate

import trio

from edge.common.errors import EdgeError
from edge.common.fault_hook import struck
from edge.common.header_fields import REQUEST, told, without_secrets
from edge.common.http_faults import befall
from edge.common.http_messages import (
    Handler,
    Header,
    HttpRequest,
    HttpResponse,
    Refusal,
    json_response,
    problem,
)
from edge.common.process import Process
from edge.common.recorder import Recorder
from edge.common.spans import SERVER

_METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"}
_HEALTH = {"/healthz", "/readyz"}
# A span attribute is for reading, not for keeping what a stranger sent.
_ATTRIBUTE_CHARS_MAX = 512


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one server."""

    connections_max: int = 1024  # Envoy's breaker for one cluster
    head_bytes_max: int = 32 * 1024  # twice the edge's own: it adds its headers to a full one
    head_timeout_s: float = 10.0
    body_timeout_s: float = 60.0  # between two reads, nginx
    idle_timeout_s: float = 75.0  # nginx; longer than any pool in front keeps a connection
    send_timeout_s: float = 30.0  # one piece of an answer


class Host:
    """The server as one of its connections sees it."""

    def __init__(self, handler: Handler, process: Process, limits: Limits) -> None:
        self.limits = limits
        self.log = process.log
        # One for each connection that waits for its next request, or for more of a body.
        self.waiting: set[trio.CancelScope] = set()
        self.closing = False  # the drain's grace is over: do not wait for a next request
        self._handler = handler
        self._process = process
        self._recorder = Recorder(process.spans, process.service or process.tier, process.name, process.pid)
        self._in_flight = 0
        self._served = 0
        metrics = process.metrics
        self._requests = metrics.counter(
            "edge_service_requests_total", "Requests answered", ("route", "method", "code")
        )
        self._seconds = metrics.histogram(
            "edge_service_request_seconds", "From the head read to the answer sent", ("route",)
        )
        self.connections = metrics.gauge("edge_service_connections", "Open connections").child()
        self._date = b""
        self._date_second = -1

    @property
    def draining(self) -> bool:
        """Is every answer to be its connection's last?"""
        return self._process.draining.is_set()

    def date(self) -> bytes:
        """The value of `Date` (RFC 9110 section 6.6.1), made once a second."""
        second = int(time.time())
        if second != self._date_second:
            self._date_second = second
            self._date = formatdate(second, usegmt=True).encode()
        return self._date

    def begin(self) -> None:
        """A request's head was read."""
        self._count(+1)

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """The handler's answer, or the problem that kept it from answering.

        Raises `CutOff` where a fault wants no answer at all.
        """
        faults = self._process.faults
        if faults.armed and (strike := struck(faults, check=request.path in _HEALTH)):
            return await befall(strike, request, self._answer)
        return await self._answer(request)

    def refuses(self) -> bool:
        """Does a fault make this service refuse connections?"""
        faults = self._process.faults
        return faults.armed and faults.is_down(trio.current_time())

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        if request.path in _HEALTH:
            return self._health(request)
        try:
            if request.deadline is None:
                return await self._handler(request)
            with trio.move_on_at(request.deadline):
                return await self._handler(request)
            return _refused(request, 504, "deadline", "the caller's deadline passed first")
        except Refusal as refusal:
            return _refused(request, refusal.status, refusal.slug, str(refusal), refusal.headers)
        except EdgeError as error:
            request.attributes["error.type"] = type(error).__name__
            return _refused(request, error.status_hint or 500, "unavailable", str(error))

    def finish(
        self,
        request: HttpRequest,
        parent_id: str,
        start_ns: int,
        end_ns: int,
        status: int,
        error: str,
        version: str,
    ) -> None:
        """A request was answered with `status` (0: not at all): count it and write its span."""
        method = request.method if request.method in _METHODS else "_OTHER"
        route = request.route or "-"
        self._served += 1
        self._count(-1)
        self._requests.child(route, method, str(status)).value += 1
        self._seconds.child(route).observe((end_ns - start_ns) / 1e9)
        if request.route in _HEALTH and not parent_id:
            return  # a check every two seconds would push real requests out of the ring
        if status >= 500 and not error:
            error = str(status)
        attributes = request.attributes
        attributes["http.request.method"] = method
        attributes["url.path"] = request.path[:_ATTRIBUTE_CHARS_MAX]
        attributes["url.scheme"] = "http"
        if status:
            attributes["http.response.status_code"] = status
        attributes["network.protocol.version"] = version
        if request.query_string:
            attributes["url.query"] = without_secrets(request.query_string[:_ATTRIBUTE_CHARS_MAX])
        if request.route:
            attributes["http.route"] = request.route
        if request.trace.keep:
            attributes |= told(REQUEST, request.headers)
        if error:
            attributes.setdefault("error.type", error)
        name = "HTTP" if method == "_OTHER" else method
        if request.route:
            name = f"{name} {request.route}"
        self._recorder.record(
            request.trace,
            parent_id,
            name,
            SERVER,
            start_ns,
            end_ns=end_ns,
            error=error,
            attributes=attributes,
        )

    def _health(self, request: HttpRequest) -> HttpResponse:
        # Alive is not ready: a process that drains is well, and wants no new work.
        request.route = request.path
        unready = request.path == "/readyz" and self.draining
        value = {
            "status": "draining" if unready else "ok",
            "name": self._process.name,
            "pid": self._process.pid,
        }
        return json_response(value, 503 if unready else 200)

    def _count(self, change: int) -> None:
        self._in_flight += change
        load = self._process.link.load
        load["in_flight"] = self._in_flight
        load["requests"] = self._served


def _refused(
    request: HttpRequest, status: int, slug: str, detail: str, headers: tuple[Header, ...] = ()
) -> HttpResponse:
    request.attributes["edge.why"] = detail
    return problem(
        status, slug, detail, instance=request.path, trace_id=request.trace.trace_id, headers=headers
    )
