"""Where the firewall's findings go."""

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from edge.l7.audit_log import AuditLog, audit_files


def test_what_was_found_stands_in_one_file_per_worker(tmp_path: Path) -> None:
    """`edge waf explain` reads them all, whichever worker answered."""
    for name in ("l7-1", "l7-2"):
        log = AuditLog(tmp_path, name)
        log.write([{"request_id": name}, {"request_id": name + "b"}])
        log.close()

    ids = [
        orjson.loads(line)["request_id"]
        for path in audit_files(tmp_path)
        for line in path.read_bytes().splitlines()
    ]

    assert ids == ["l7-1", "l7-1b", "l7-2", "l7-2b"]


def test_an_attack_of_days_leaves_two_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is attacked must not run out of disk as well."""
    monkeypatch.setattr("edge.l7.audit_log.FILE_BYTES_MAX", 50)
    log = AuditLog(tmp_path, "l7-1")

    for number in range(20):
        log.write([{"request_id": f"{number:040}"}])
    log.write([{"request_id": "last"}])
    log.close()

    assert [path.name for path in audit_files(tmp_path)] == ["waf-l7-1.jsonl.1", "waf-l7-1.jsonl"]
    assert b"last" in (tmp_path / "logs" / "waf-l7-1.jsonl").read_bytes()


def test_a_log_that_cannot_be_written_is_counted(tmp_path: Path) -> None:
    """A full disk is no reason to let attacks pass, or phones wait."""
    (tmp_path / "logs").write_text("in the way")
    log = AuditLog(tmp_path, "l7-1")

    log.write([{"request_id": "1"}, {"request_id": "2"}])

    assert log.lost == 2


def test_a_quiet_worker_leaves_no_file(tmp_path: Path) -> None:
    """No file says that nothing was found."""
    AuditLog(tmp_path, "l7-1").write([])

    assert list(audit_files(tmp_path)) == []


@pytest.mark.parametrize("away", [Path.unlink, lambda path: path.rename(path.with_suffix(".old"))])
def test_a_log_that_was_taken_away_is_begun_anew(tmp_path: Path, away: Callable[[Path], object]) -> None:
    """Or everything went into a file that has no name any more."""
    log = AuditLog(tmp_path, "l7-1")
    log.write([{"number": 1}])
    (path,) = audit_files(tmp_path)
    away(path)

    log.write([{"number": 2}])

    assert path.read_bytes() == b'{"number":2}\n'
