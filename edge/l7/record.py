"""What happened to this request?

One flat `Record` per request, in a ring of fixed size.  It costs a microsecond
to write and is all that the access log, `edge trace --id` and the metrics need;
spans are derived from it only when somebody asks for that trace.

What belongs to the connection (L4's story, the handshake) stands in `Flow`, once
for all its requests.

State: the ring, `L7Config.trace_ring` records of about 700 bytes.  The heads of its
messages a record holds only until the next batch is accounted for, unless it is one
to keep; redacted they are when somebody asks (`edge.common.header_fields`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from edge.common.handover import Handover
from edge.common.header_fields import REQUEST, RESPONSE, fields_of, told, without_secrets
from edge.common.spans import CLIENT, INTERNAL, SERVER, Attribute, Span
from edge.l7.fetch import Fields
from edge.l7.request import Note

# A record keeps this much of what the phone chose freely, so that a ring of them stays bounded.
TEXT_MAX: Final = 256
SERVICE: Final = "edge-l7"


class Flow(Struct):
    """One connection, as L4 and TLS saw it."""

    handover: Handover
    received_ns: int
    tls_start_ns: int = 0
    tls_end_ns: int = 0
    tls: Mapping[str, Attribute] = {}
    rtt_us: int = 0
    requests: int = 0
    caller: str = ""  # whom a client certificate names


class Try(Struct, gc=False):
    """One attempt at one endpoint; times in nanoseconds of CLOCK_MONOTONIC, 0: never reached."""

    span_id: str
    endpoint: str
    address: str
    why: str
    start_ns: int
    connected_ns: int = 0
    sent_ns: int = 0
    first_ns: int = 0
    end_ns: int = 0
    status: int = 0
    reused: bool = False
    error: str = ""
    asked: bytes = b""  # the head as it went to the endpoint
    answered: bytes = b""  # and the one that came back


class Record(Struct, gc=False):
    """One request, over."""

    trace_id: str
    span_id: str
    parent_id: str
    flags: int
    keep: bool
    flow: Flow
    first: bool  # on its connection
    start_ns: int
    end_ns: int
    unix_s: float  # of the end
    method: str
    target: bytes
    route: str
    status: int
    flag: str
    why: str
    account: int | None
    bytes_in: int
    bytes_out: int
    head_ns: int  # head complete
    marks: Sequence[int]
    stages: Sequence[str]
    first_stage: int
    notes: Sequence[Note]
    tries: Sequence[Try]
    revision: str
    user_agent: bytes = b""
    fields: Fields = ()  # as the phone sent them
    answered: bytes = b""  # the head as it went to the phone
    experiment: str = ""  # "ranking=fresh, ...": which variants the phone saw

    def forget_heads(self) -> None:
        """Let go of what only a trace worth keeping shows; it is most of a record's memory."""
        self.fields, self.answered = (), b""
        for attempt in self.tries:
            attempt.asked = attempt.answered = b""


class Ring:
    """The latest records."""

    def __init__(self, size: int) -> None:
        self._size = max(1, size)
        self._records: list[Record] = []
        self._next = 0

    def add(self, record: Record) -> None:
        """Remember `record`; the oldest makes room."""
        if len(self._records) < self._size:
            self._records.append(record)
            return
        self._records[self._next] = record
        self._next = (self._next + 1) % self._size

    def find(self, trace_id: str) -> list[Record]:
        """All records of one trace, oldest first.  Walks the ring: asked for by people, never per request."""
        oldest_first = self._records[self._next :] + self._records[: self._next]
        return [record for record in oldest_first if record.trace_id == trace_id]

    def newest(self) -> Iterator[Record]:
        """Every record, the newest first."""
        size = len(self._records)
        for step in range(1, size + 1):
            yield self._records[(self._next - step) % size]

    def __len__(self) -> int:
        return len(self._records)


def spans_of(record: Record, instance: str, pid: int, pop: str) -> list[Span]:
    """The spans of one request: the server span, then L4's, TLS's, the stages', and one for each try."""

    def span(
        name: str,
        span_id: str,
        start: int,
        end: int,
        parent: str = record.span_id,
        kind: int = INTERNAL,
        error: str = "",
        **attributes: Attribute,
    ) -> Span:
        return Span(
            trace_id=record.trace_id,
            span_id=span_id,
            parent_id=parent,
            name=name,
            service=SERVICE,
            instance=instance,
            pid=pid,
            kind=kind,
            start_ns=start,
            end_ns=max(start, end),
            error=error,
            attributes={key.replace("__", "."): value for key, value in attributes.items()},
        )

    ids = _derived_ids(record.span_id)
    path, _, query = record.target.partition(b"?")
    server = span(
        f"{record.method} {record.route}" if record.route else record.method,
        record.span_id,
        record.start_ns,
        record.end_ns,
        record.parent_id,
        SERVER,
        str(record.status) if record.status >= 500 else "",
        http__request__method=record.method,
        url__path=path.decode("latin-1"),
        url__scheme=record.flow.handover.listener,
        http__route=record.route,
        http__response__status_code=record.status,
        client__address=record.flow.handover.source_ip,
        edge__pop=pop,
        edge__conn__id=record.flow.handover.conn_id,
        edge__conn__reused=not record.first,
        edge__flag=record.flag,
        edge__why=record.why,
        edge__revision=record.revision,
    )
    if record.experiment:
        server.attributes["edge.experiment"] = record.experiment
    if record.flow.caller:
        server.attributes["edge.caller"] = record.flow.caller
    if query:
        server.attributes["url.query"] = without_secrets(query.decode("latin-1"))
    server.attributes.update(told(REQUEST, record.fields) | told(RESPONSE, fields_of(record.answered)))
    spans = [server]
    if record.first:
        spans += _flow_spans(record, ids, instance, pid)
    spans.append(span("l7.read", next(ids), record.start_ns, record.head_ns))
    verdicts = _notes_by_stage(record.notes)
    stages = record.stages[record.first_stage :]
    for number, (name, begin, end) in enumerate(zip(stages, record.marks, record.marks[1:], strict=False)):
        last = number == len(record.marks) - 2 and not record.tries
        answered = last and record.flag not in ("-", "")
        spans.append(
            span(
                f"l7.{name}",
                next(ids),
                begin,
                end,
                edge__verdict=f"answer {record.status}" if answered else "pass",
                edge__why=record.why if answered else verdicts.get(name, ""),
            )
        )
    if record.tries:
        first = record.tries[0]
        begin = record.marks[-1] if record.marks else record.head_ns
        queue = span("l7.queue", next(ids), begin, first.connected_ns or first.end_ns)
        if said := verdicts.get("upstream"):
            queue.attributes["edge.why"] = said
        spans.append(queue)
    for number, attempt in enumerate(record.tries):
        spans.append(
            span(
                f"{record.method} {attempt.endpoint}",
                attempt.span_id,
                attempt.connected_ns or attempt.start_ns,
                attempt.end_ns,
                kind=CLIENT,
                error=attempt.error or (str(attempt.status) if attempt.status >= 400 else ""),
                http__request__method=record.method,
                http__request__resend_count=number,
                http__response__status_code=attempt.status,
                server__address=attempt.address,
                service__peer__name=attempt.endpoint,
                edge__conn__reused=attempt.reused,
                edge__lb__pick=attempt.endpoint,
                edge__why=attempt.why,
                edge__first_byte_ms=round((attempt.first_ns - attempt.start_ns) / 1e6, 3)
                if attempt.first_ns
                else -1,
            )
        )
        spans[-1].attributes.update(
            told(REQUEST, fields_of(attempt.asked)) | told(RESPONSE, fields_of(attempt.answered))
        )
    return spans


def _flow_spans(record: Record, ids: "_Ids", instance: str, pid: int) -> list[Span]:
    flow, handover = record.flow, record.flow.handover
    l4 = Span(
        trace_id=record.trace_id,
        span_id=next(ids),
        parent_id=record.span_id,
        name="l4 accept and hand over",
        service="edge-l4",
        instance=handover.l4_name,
        pid=handover.l4_pid,
        start_ns=handover.accepted_ns,
        end_ns=max(handover.accepted_ns, flow.received_ns),
        attributes={
            "edge.conn.id": handover.conn_id,
            "edge.lb.policy": handover.policy,
            "edge.lb.pick": instance,
            "edge.why": handover.why,
            "edge.bucket_level": handover.bucket_level,
            "edge.candidates": handover.candidates,
            "edge.decided_ms": round((handover.decided_ns - handover.accepted_ns) / 1e6, 3),
            "edge.epoch": handover.epoch,
            "network.peer.port": handover.source_port,
            "edge.tcp.rtt_us": flow.rtt_us,
        },
    )
    if not flow.tls_end_ns:
        return [l4]
    tls = Span(
        trace_id=record.trace_id,
        span_id=next(ids),
        parent_id=record.span_id,
        name="tls handshake",
        service=SERVICE,
        instance=instance,
        pid=pid,
        start_ns=flow.tls_start_ns,
        end_ns=flow.tls_end_ns,
        attributes=dict(flow.tls) | ({"tls.client.subject": f"CN={flow.caller}"} if flow.caller else {}),
    )
    return [l4, tls]


class _Ids:
    """Span ids that follow from the server span's, so that asking twice gives the same spans."""

    def __init__(self, seed: str) -> None:
        self._value = int(seed, 16)

    def __next__(self) -> str:
        # An odd step through 64 bits meets no id twice; 0 is not allowed as an id.
        self._value = (self._value + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF or 1
        return f"{self._value:016x}"


def _derived_ids(seed: str) -> _Ids:
    return _Ids(seed)


def _notes_by_stage(notes: Sequence[Note]) -> dict[str, str]:
    said: dict[str, str] = {}
    for stage, sentence, values in notes:
        text = sentence % values if values else sentence
        said[stage] = f"{said[stage]}; {text}" if stage in said else text
    return said
