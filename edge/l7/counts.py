"""What does a worker count?

Plain integers, looked up once per combination of labels and then added to.
Labels come from small sets only: the route's name, never the path.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from edge.common.metrics import HTTP_BUCKETS_S, Histogram, Number, Registry
from edge.l7.record import Flow, Record
from edge.l7.waf.inspector import Tally

_S_PER_NS = 1e-9


class Seen(NamedTuple):
    """What the worker's parts have counted themselves, four times a second."""

    connections: int
    judged: int
    log_lost: int
    retries: int
    stale_retries: int
    hedges_won: int
    hedges_lost: int
    inflight: Mapping[str, int]  # by cluster
    blocked: Mapping[str, int]  # by WAF rule
    detected: Mapping[str, int]  # by WAF rule: would have been blocked
    inspections: Tally  # by the WAF
    limited: Mapping[str, int]  # by limit


class Counts:
    """The numbers of one worker; names as in `docs/observability`."""

    def __init__(self, registry: Registry) -> None:
        self.requests = 0
        self._requests = registry.counter(
            "edge_l7_requests_total", "Requests answered", ("route", "code", "flag")
        )
        self._durations = registry.histogram(
            "edge_l7_request_duration_seconds", "First byte of the request to last of the answer", ("route",)
        )
        self._http = registry.histogram(
            "http_server_request_duration_seconds",
            "OpenTelemetry's http.server.request.duration",
            ("method",),
            HTTP_BUCKETS_S,
        )
        self._upstream = registry.histogram(
            "edge_upstream_first_byte_seconds", "Request sent to first byte of the answer", ("upstream",)
        )
        self._queue = registry.histogram(
            "edge_upstream_queue_seconds", "Pipeline passed to connection at hand", ("upstream",)
        )
        self._handshakes = registry.counter(
            "edge_tls_handshakes_total", "TLS handshakes", ("resumed", "version")
        )
        self._handshake_s = registry.histogram(
            "edge_tls_handshake_seconds", "TLS handshake, waiting for the phone included"
        ).child()
        self.handshake_failures = registry.counter(
            "edge_tls_failures_total", "TLS connections that broke by the rules", ("reason",)
        )
        self.connections = registry.counter("edge_l7_connections_total", "Connections taken from L4").child()
        self.refused = registry.counter(
            "edge_l7_connections_refused_total", "Connections over the worker's limit"
        ).child()
        self.bugs = registry.counter("edge_l7_bugs_total", "Connections ended by an unexpected error").child()
        self._open = registry.gauge("edge_l7_active_connections", "Connections now").child()
        self._inflight = registry.gauge(
            "edge_upstream_inflight", "Requests at the services now", ("upstream",)
        )
        self._judged = registry.counter(
            "edge_l7_heads_judged_total", "Heads that h11 was asked about"
        ).child()
        self._retries = registry.counter("edge_upstream_retries_total", "Requests sent again", ("kind",))
        self._hedges = registry.counter(
            "edge_upstream_hedges_total", "Second copies asked because the first was slow", ("outcome",)
        )
        self._log_lost = registry.counter(
            "edge_l7_log_lines_lost_total", "Lines that could not be written"
        ).child()
        self._blocked = registry.counter("edge_waf_blocked_total", "Requests blocked", ("rule",))
        self._detected = registry.counter(
            "edge_waf_detected_total", "Requests that a route in mode detect would have blocked", ("rule",)
        )
        self._inspections = registry.counter(
            "edge_waf_inspections_total",
            "Inspections by where the verdict came from; given-up: the loop tried in vain",
            ("way",),
        )
        self._thread_s = registry.counter(
            "edge_waf_thread_seconds_total", "Time that inspections in the other thread took"
        ).child()
        self._limited = registry.counter("edge_ratelimited_total", "Requests refused by a limit", ("policy",))
        self._children: dict[tuple[str, int, str], tuple[Number, Histogram]] = {}
        self._by_method: dict[str, Histogram] = {}
        self._by_endpoint: dict[str, tuple[Histogram, Histogram]] = {}

    def requests_over(self, records: Sequence[Record]) -> None:
        """Count requests, many at a time: the worker comes with a batch four times a second."""
        self.requests += len(records)
        children, methods, endpoints = self._children, self._by_method, self._by_endpoint
        for record in records:
            key = (record.route, record.status, record.flag)
            number, duration = children.get(key) or self._child(key)
            number.value += 1
            seconds = (record.end_ns - record.start_ns) * _S_PER_NS
            duration.observe(seconds)
            (methods.get(record.method) or self._method(record.method)).observe(seconds)
            for attempt in record.tries:
                first_byte, queue = endpoints.get(attempt.endpoint) or self._endpoint(attempt.endpoint)
                if attempt.first_ns:
                    first_byte.observe((attempt.first_ns - attempt.connected_ns) * _S_PER_NS)
                if attempt.connected_ns and record.marks:
                    queue.observe(max(0, attempt.connected_ns - record.marks[-1]) * _S_PER_NS)

    def _child(self, key: tuple[str, int, str]) -> tuple[Number, Histogram]:
        route, status, flag = key
        known = (
            self._requests.child(route or "-", str(status), flag),
            self._durations.child(route or "-"),
        )
        if len(self._children) < _CHILDREN_MAX:
            self._children[key] = known
        return known

    def _method(self, method: str) -> Histogram:
        known = self._http.child(method if method in _METHODS else "_OTHER")
        if method in _METHODS:
            self._by_method[method] = known
        return known

    def _endpoint(self, endpoint: str) -> tuple[Histogram, Histogram]:
        known = (self._upstream.child(endpoint), self._queue.child(endpoint))
        if len(self._by_endpoint) < _CHILDREN_MAX:
            self._by_endpoint[endpoint] = known
        return known

    def handshake(self, flow: Flow) -> None:
        """Count one handshake."""
        resumed = "yes" if flow.tls["tls.resumed"] else "no"
        self._handshakes.child(resumed, str(flow.tls["tls.protocol.version"])).value += 1
        self._handshake_s.observe((flow.tls_end_ns - flow.tls_start_ns) * _S_PER_NS)

    def observe(self, seen: Seen) -> None:
        """Take over what others count for themselves."""
        self._open.value = seen.connections
        self._judged.value = seen.judged
        self._log_lost.value = seen.log_lost
        self._retries.child("retry").value = seen.retries
        self._retries.child("stale").value = seen.stale_retries
        self._hedges.child("won").value = seen.hedges_won
        self._hedges.child("lost").value = seen.hedges_lost
        for cluster, count in seen.inflight.items():
            self._inflight.child(cluster).value = count
        for rule, count in seen.blocked.items():
            self._blocked.child(rule).value = count
        for rule, count in seen.detected.items():
            self._detected.child(rule).value = count
        tally = seen.inspections
        self._inspections.child("memory").value = tally.remembered
        self._inspections.child("loop").value = tally.on_loop
        self._inspections.child("given-up").value = tally.given_up
        self._inspections.child("thread").value = tally.apart
        self._thread_s.value = tally.apart_s
        for policy, count in seen.limited.items():
            self._limited.child(policy).value = count


_METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY")
)
# Routes come and go with configurations; beyond this a child is looked up each time.
_CHILDREN_MAX = 20_000
