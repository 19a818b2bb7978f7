"""What remains of requests when they are over?  [I/O]

A record goes into the ring at once; the rest, which nobody waits for, is done for
`BATCH_MAX` at a time: counters, access log, the longer memory for those that somebody
will want to see, and the firewall's audit records.  `edge trace` and the console ask
here for what a worker remembers.
"""

from collections.abc import Callable
from typing import Any, Final

from edge.common import spans as span_codec
from edge.common.process import Process
from edge.l7.access_log import AccessLog
from edge.l7.audit_log import AuditLog
from edge.l7.counts import Counts
from edge.l7.findings import Findings
from edge.l7.recent import is_worth_keeping, recent
from edge.l7.record import Record, Ring, spans_of

# Traces that somebody will want to see: `edge.l7.recent.is_worth_keeping`.
KEPT_MAX: Final = 1024
# Requests that wait for the log and the counters.  One write for so many is cheap enough; a quarter of a
# second's worth in one go (10 us each) was the p99 of everybody, 30 ms at 10,000 requests a second.
BATCH_MAX: Final = 64


class Ledger:
    """One worker's memory of requests."""

    def __init__(self, process: Process, take_found: Callable[[], list[dict[str, Any]]]) -> None:
        """`take_found` hands over the firewall's audit records, each once."""
        self._process = process
        self._take_found = take_found
        config = process.config
        self.counts = Counts(process.metrics)
        self.ring = Ring(config.l7.trace_ring)
        self._kept = Ring(KEPT_MAX)
        self._log = AccessLog(process.run_dir, process.name, process.pop, config.access_log)
        self._audit = AuditLog(process.run_dir, process.name)
        self.findings = Findings()
        self._finished: list[Record] = []
        self.slow_ns = int(config.l7.slow_request_s * 1e9)  # what takes longer is kept longer

    @property
    def log_lost(self) -> int:
        """Lines of both logs that could not be written."""
        return self._log.lost + self._audit.lost

    def add(self, record: Record) -> None:
        """A request is over; it is counted and logged with the next batch."""
        self.ring.add(record)
        self._finished.append(record)
        if len(self._finished) >= BATCH_MAX:
            self.account()

    def account(self) -> None:
        """Count and log what has come since the last time."""
        records, self._finished = self._finished, []
        for record in records:
            if is_worth_keeping(record, self.slow_ns):
                self._kept.add(record)
            else:
                record.forget_heads()
        self.counts.requests_over(records)
        self._log.write(records)
        found = self._take_found()
        self._audit.write(found)
        self.findings.add(found)

    def close(self) -> None:
        """The worker ends."""
        self.account()
        self._log.close()
        self._audit.close()

    def recent(self, args: dict[str, Any]) -> Any:
        """The requests of the last moments, or of the longer memory, as plain values."""
        return recent((self._kept if args.get("kept") else self.ring).newest(), args)

    def find_trace(self, args: dict[str, Any]) -> Any:
        """All spans of one trace that this worker knows."""
        trace_id = str(args.get("trace_id", ""))
        process = self._process
        found = process.spans.find(trace_id)
        seen: set[str] = set()
        for record in self._kept.find(trace_id) + self.ring.find(trace_id):
            if record.span_id not in seen:
                seen.add(record.span_id)
                found += spans_of(record, process.name, process.pid, process.pop)
        return span_codec.to_wire(found)
