"""What a worker remembers of requests that are over."""

from pathlib import Path
from typing import Any

from orjson import loads

from edge.common.process import Process
from edge.l7.ledger import BATCH_MAX, Ledger
from edge.l7.waf.audit import audit_record
from tests.kit.l7_records import MS, attempt, record
from tests.kit.l7_worker import toy_config
from tests.l7.waf.samples import embedded_inspector, get


def _ledger(run_dir: Path, found: list[dict[str, Any]] | None = None) -> Ledger:
    config = toy_config("127.0.0.1:1", access_log="file")
    process = Process.for_test(config, run_dir, name="l7-test-1", tier="l7")
    return Ledger(process, lambda: found or [])


def _logged(run_dir: Path) -> list[dict[str, Any]]:
    return [loads(line) for line in (run_dir / "logs" / "access-l7-test-1.jsonl").read_bytes().splitlines()]


def test_a_request_is_remembered_at_once_and_logged_with_its_batch(tmp_path: Path) -> None:
    """`edge trace --id` finds it right after the answer; the log may lag by a batch."""
    ledger = _ledger(tmp_path)

    for _ in range(BATCH_MAX - 1):
        ledger.add(record())
    before = len(ledger.ring), ledger.counts.requests, len(_logged(tmp_path))
    ledger.add(record())

    assert before == (BATCH_MAX - 1, 0, 0)
    assert (ledger.counts.requests, len(_logged(tmp_path))) == (BATCH_MAX, BATCH_MAX)


def test_the_last_requests_are_logged_when_the_worker_ends(tmp_path: Path) -> None:
    """And each once, however often it is asked to account."""
    ledger = _ledger(tmp_path)
    ledger.add(record())

    ledger.account()
    ledger.account()
    ledger.add(record())
    ledger.close()

    assert len(_logged(tmp_path)) == 2


def test_slow_requests_outlive_the_ring_with_their_heads(tmp_path: Path) -> None:
    """Whoever asks for a slow trace an hour later still finds it, headers and all; others lose theirs."""
    ledger = _ledger(tmp_path)
    ledger.slow_ns = 10 * MS
    quick = record(start_ns=100 * MS, end_ns=105 * MS, answered=b"HTTP/1.1 200 OK\r\n\r\n", tries=[attempt()])
    slow = record(start_ns=100 * MS, end_ns=150 * MS, answered=b"HTTP/1.1 200 OK\r\n\r\n", tries=[attempt()])

    ledger.add(quick)
    ledger.add(slow)
    ledger.account()

    assert [one["total_ms"] for one in ledger.recent({"kept": True})] == [50.0]
    assert [one["total_ms"] for one in ledger.recent({})] == [5.0, 50.0]
    assert (quick.answered, slow.answered) == (b"", b"HTTP/1.1 200 OK\r\n\r\n")


def test_a_trace_that_is_remembered_twice_is_told_once(tmp_path: Path) -> None:
    """A kept request stands in the ring as well for a while."""
    ledger = _ledger(tmp_path)
    kept = record(keep=True)
    ledger.add(kept)
    once = ledger.find_trace({"trace_id": kept.trace_id})
    ledger.account()

    assert ledger.find_trace({"trace_id": kept.trace_id}) == once
    assert ledger.find_trace({"trace_id": "0" * 32}) == []


def test_what_the_firewall_found_is_written_with_the_batch(tmp_path: Path) -> None:
    """One audit record a line; and the console may ask for it."""
    head = get(b"/?q=%3Cscript%3E")
    verdict = embedded_inspector().inspect_head(head, 0.0)
    ledger = _ledger(tmp_path, [audit_record(verdict, head, request_id=name) for name in ("r1", "r2")])

    ledger.close()

    (path,) = tmp_path.rglob("*waf*")
    assert len(path.read_bytes().splitlines()) == 2
    assert [(one["request_id"], one["times"]) for one in ledger.findings.told({})] == [("r2", 2)]


def test_findings_that_cannot_be_written_are_counted_as_lost(tmp_path: Path) -> None:
    """An operator who sees no attack in the log has to know that there is no log."""
    ledger = _ledger(tmp_path, [{"client": "", "action": "", "method": "", "path": "", "matches": []}])
    (tmp_path / "logs" / "waf-l7-test-1.jsonl").mkdir(parents=True)  # in the way

    ledger.account()

    assert ledger.log_lost == 1
