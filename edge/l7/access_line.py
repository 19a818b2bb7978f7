"""What does the access log say about one request?

One line of JSON with OpenTelemetry's names where there are any, HAProxy's timers and
Envoy's flags (see docs/observability): TR head read, Tw stages and queue, Tc connect,
Ts service, Td data, Ta all; -1: never reached.

A line is one `%` over a template; two templates, because the usual request has all its
timers and needs no word for those it never reached.  All strings in it are either ids made of plain
letters or come from a small set (routes, endpoints, reasons, agents), so their JSON
spelling is remembered.  That hurts reading beside a dict and a serialiser, which the
tests keep as the oracle; a line costs 7 us instead of 9 to 11, measured on a busy machine.

State: the remembered spellings, `SPELLINGS_MAX` of at most 256 bytes each.
"""

from typing import Final

import orjson

from edge.l7.record import SERVICE, Record

SPELLINGS_MAX: Final = 4096

_LINE: Final = (
    '{"timestamp":"%s.%06dZ","severity_text":"%s","event.name":"edge.access","service.name":"'
    + SERVICE
    + '",'
    '"service.instance.id":INSTANCE,"trace_id":"%s","span_id":"%s","trace_flags":"%02x",'
    '"http.request.method":%s,"url.path":%s,"http.route":%s,"http.response.status_code":%d,'
    '"client.address":%s,"user_agent.original":%s,"enduser.id":%s,"edge.pop":POP,"edge.conn.id":%s,'
    '"edge.conn.reused":%s,"edge.upstream":%s,"edge.tries":%d,"edge.flag":%s,"edge.why":%s,'
    '"edge.revision":%s,"edge.experiment":%s,'
    '"tr_ms":%TIME,"tw_ms":%TIME,"tc_ms":%TIME,"ts_ms":%TIME,"td_ms":%TIME,"ta_ms":%TIME,'
    '"bytes_in":%d,"bytes_out":%d}\n'
)


class AccessLines:
    """Writes the lines of one worker."""

    def __init__(self, instance: str, pop: str) -> None:
        said = (_json(instance).replace("%", "%%"), _json(pop).replace("%", "%%"))
        template = _LINE.replace("INSTANCE", said[0]).replace("POP", said[1])
        self._template = template.replace("%TIME", "%s")
        self._timed = template.replace("%TIME", "%.3f")
        self._spelled: dict[str | bytes, str] = {}

    def line(self, record: Record, second: str, microsecond: int) -> str:
        """The line, its line feed included; `second` and `microsecond` are its timestamp."""
        spelled, spell = self._spelled, self._spell
        handover = record.flow.handover
        path = record.target.partition(b"?")[0]
        start_ns, head_ns, end_ns = record.start_ns, record.head_ns, record.end_ns
        judged_ns = record.marks[-1] if record.marks else head_ns
        template = self._template
        upstream = '""'
        timers: tuple[float | str, ...]
        if record.tries:
            last = record.tries[-1]
            upstream = spelled.get(last.endpoint) or spell(last.endpoint)
            connected_ns, first_ns = last.connected_ns, last.first_ns
            if first_ns and connected_ns and start_ns and head_ns:
                template = self._timed
                timers = (
                    (head_ns - start_ns) / 1e6,
                    (judged_ns - head_ns) / 1e6,
                    (connected_ns - last.start_ns) / 1e6,
                    (first_ns - connected_ns) / 1e6,
                    (end_ns - first_ns) / 1e6,
                    (end_ns - start_ns) / 1e6,
                )
            else:
                timers = (
                    _ms(start_ns, head_ns),
                    _ms(head_ns, judged_ns),
                    _ms(last.start_ns, connected_ns),
                    _ms(connected_ns, first_ns),
                    _ms(first_ns, end_ns),
                    _ms(start_ns, end_ns),
                )
        else:
            timers = (
                _ms(start_ns, head_ns),
                _ms(head_ns, judged_ns),
                "-1",
                "-1",
                "-1",
                _ms(start_ns, end_ns),
            )
        return template % (
            second,
            microsecond,
            "INFO" if record.status < 500 else "ERROR",
            record.trace_id,
            record.span_id,
            record.flags,
            spelled.get(record.method) or spell(record.method),
            spelled.get(path) or spell(path),
            spelled.get(record.route) or spell(record.route),
            record.status,
            spelled.get(handover.source_ip) or spell(handover.source_ip),
            spelled.get(record.user_agent) or spell(record.user_agent),
            # An internal caller has no account; its certificate's name stands there as a string.
            self._user(record) if record.account is None else record.account,
            spelled.get(handover.conn_id) or spell(handover.conn_id),
            "false" if record.first else "true",
            upstream,
            len(record.tries),
            spelled.get(record.flag) or spell(record.flag),
            spelled.get(record.why) or spell(record.why),
            spelled.get(record.revision) or spell(record.revision),
            spelled.get(record.experiment) or spell(record.experiment),
            *timers,
            record.bytes_in,
            record.bytes_out,
        )

    def _user(self, record: Record) -> str:
        caller = record.flow.caller
        return (self._spelled.get(caller) or self._spell(caller)) if caller else "null"

    def _spell(self, text: str | bytes) -> str:
        known = _json(text if isinstance(text, str) else text.decode("latin-1"))
        if len(self._spelled) >= SPELLINGS_MAX:
            self._spelled.clear()
        if len(text) <= 256:
            self._spelled[text] = known
        return known


def _json(text: str) -> str:
    return orjson.dumps(text).decode()


def _ms(start: int, end: int) -> str:
    return "%.3f" % ((end - start) / 1e6) if start and end else "-1"
