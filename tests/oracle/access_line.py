"""The access log's line as a dict: the obvious way, which the fast writer is compared with."""

from edge.common.spans import Attribute
from edge.l7.record import SERVICE, Record


def access_line(record: Record, instance: str, pop: str, timestamp: str) -> dict[str, Attribute | None]:
    """The fields of one line."""
    last = record.tries[-1] if record.tries else None
    judged = record.marks[-1] if record.marks else record.head_ns
    return {
        "timestamp": timestamp,
        "severity_text": "INFO" if record.status < 500 else "ERROR",
        "event.name": "edge.access",
        "service.name": SERVICE,
        "service.instance.id": instance,
        "trace_id": record.trace_id,
        "span_id": record.span_id,
        "trace_flags": f"{record.flags:02x}",
        "http.request.method": record.method,
        "url.path": record.target.partition(b"?")[0].decode("latin-1"),
        "http.route": record.route,
        "http.response.status_code": record.status,
        "client.address": record.flow.handover.source_ip,
        "user_agent.original": record.user_agent.decode("latin-1"),
        "enduser.id": (record.flow.caller or None) if record.account is None else record.account,
        "edge.pop": pop,
        "edge.conn.id": record.flow.handover.conn_id,
        "edge.conn.reused": not record.first,
        "edge.upstream": last.endpoint if last else "",
        "edge.tries": len(record.tries),
        "edge.flag": record.flag,
        "edge.why": record.why,
        "edge.revision": record.revision,
        "edge.experiment": record.experiment,
        "tr_ms": _ms(record.start_ns, record.head_ns),
        "tw_ms": _ms(record.head_ns, judged),
        "tc_ms": _ms(last.start_ns, last.connected_ns) if last else -1,
        "ts_ms": _ms(last.connected_ns, last.first_ns) if last else -1,
        "td_ms": _ms(last.first_ns, record.end_ns) if last else -1,
        "ta_ms": _ms(record.start_ns, record.end_ns),
        "bytes_in": record.bytes_in,
        "bytes_out": record.bytes_out,
    }


def _ms(start: int, end: int) -> float:
    return round((end - start) / 1e6, 3) if start and end else -1
