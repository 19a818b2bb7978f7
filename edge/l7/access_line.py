"""What does the access log say about one request?

One line of JSON with OpenTelemetry's names where there are any, HAProxy's timers and
Envoy's flags (see docs/observability): TR head read, Tw stages and queue, Tc connect,
Ts service, Td data, Ta all, in milliseconds; -1: never reached.

A dict and orjson take 2.5 us a line; a hand-written template with remembered spellings
saved less than half a microsecond of it, and went.
"""

import orjson

from edge.l7.record import SERVICE, Record


class AccessLines:
    """Writes the lines of one worker."""

    def __init__(self, instance: str, pop: str) -> None:
        self._instance = instance
        self._pop = pop

    def line(self, record: Record, second: str, microsecond: int) -> bytes:
        """The line, its line feed included; `second` and `microsecond` are its timestamp."""
        flow = record.flow
        handover = flow.handover
        start_ns, head_ns, end_ns = record.start_ns, record.head_ns, record.end_ns
        judged_ns = record.marks[-1] if record.marks else head_ns
        endpoint, began_ns, connected_ns, first_ns = "", 0, 0, 0
        if record.tries:
            last = record.tries[-1]
            endpoint, began_ns = last.endpoint, last.start_ns
            connected_ns, first_ns = last.connected_ns, last.first_ns
        return orjson.dumps(
            {
                "timestamp": f"{second}.{microsecond:06d}Z",
                "severity_text": "INFO" if record.status < 500 else "ERROR",
                "event.name": "edge.access",
                "service.name": SERVICE,
                "service.instance.id": self._instance,
                "trace_id": record.trace_id,
                "span_id": record.span_id,
                "trace_flags": f"{record.flags:02x}",
                "http.request.method": record.method,
                "url.path": record.target.partition(b"?")[0].decode("latin-1"),
                "http.route": record.route,
                "http.response.status_code": record.status,
                "client.address": handover.source_ip,
                "user_agent.original": record.user_agent.decode("latin-1"),
                # An internal caller has no account; its certificate's name stands there as a string.
                "enduser.id": record.account if record.account is not None else flow.caller or None,
                "edge.pop": self._pop,
                "edge.conn.id": handover.conn_id,
                "edge.conn.reused": not record.first,
                "edge.upstream": endpoint,
                "edge.tries": len(record.tries),
                "edge.flag": record.flag,
                "edge.why": record.why,
                "edge.revision": record.revision,
                "edge.experiment": record.experiment,
                "tr_ms": (head_ns - start_ns) // 1000 / 1000 if head_ns and start_ns else -1,
                "tw_ms": (judged_ns - head_ns) // 1000 / 1000 if judged_ns and head_ns else -1,
                "tc_ms": (connected_ns - began_ns) // 1000 / 1000 if connected_ns and began_ns else -1,
                "ts_ms": (first_ns - connected_ns) // 1000 / 1000 if first_ns and connected_ns else -1,
                "td_ms": (end_ns - first_ns) // 1000 / 1000 if first_ns and end_ns else -1,
                "ta_ms": (end_ns - start_ns) // 1000 / 1000 if start_ns and end_ns else -1,
                "bytes_in": record.bytes_in,
                "bytes_out": record.bytes_out,
            },
            option=orjson.OPT_APPEND_NEWLINE,
        )
