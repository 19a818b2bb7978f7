"""Where the lines go."""

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from edge.l7.access_log import AccessLog
from tests.kit.l7_records import record


def _lines(path: Path) -> list[dict[str, object]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def test_a_batch_is_one_line_per_request(tmp_path: Path) -> None:
    """Flat JSON with OpenTelemetry's names, so that any tool reads it."""
    log = AccessLog(tmp_path, "l7-1", "mumbai", "file")

    log.write([record(), record(status=503, flag="UH")])
    log.close()

    first, second = _lines(tmp_path / "logs" / "access-l7-1.jsonl")
    assert first["timestamp"] == "2026-11-23T03:00:01.500000Z"
    assert (first["http.response.status_code"], first["edge.pop"], first["enduser.id"]) == (200, "mumbai", 42)
    assert (second["severity_text"], second["edge.flag"]) == ("ERROR", "UH")


def test_a_full_file_is_renamed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two files are the most that a worker leaves on disk."""
    monkeypatch.setattr("edge.l7.access_log.FILE_BYTES_MAX", 100)
    log = AccessLog(tmp_path, "l7-1", "mumbai", "file")

    for _ in range(5):
        log.write([record()])
    log.close()

    assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == [
        "access-l7-1.jsonl",
        "access-l7-1.jsonl.1",
    ]


def test_a_log_that_cannot_be_written_is_counted(tmp_path: Path) -> None:
    """A full disk is no reason to refuse phones."""
    log = AccessLog(tmp_path, "l7-1", "mumbai", "file")
    log.close()

    log.write([record(), record()])

    assert log.lost == 2


def test_off_is_off(tmp_path: Path) -> None:
    """No file, no directory."""
    AccessLog(tmp_path, "l7-1", "mumbai", "off").write([record()])

    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize("away", [Path.unlink, lambda path: path.rename(path.with_suffix(".old"))])
def test_a_log_that_was_taken_away_is_begun_anew(tmp_path: Path, away: Callable[[Path], object]) -> None:
    """Within a second, or everything goes into a file that has no name any more."""
    log = AccessLog(tmp_path, "l7-1", "mumbai", "file")
    path = tmp_path / "logs" / "access-l7-1.jsonl"
    log.write([record()])
    away(path)

    log.write([record(unix_s=record().unix_s + 1)])
    log.close()

    assert len(_lines(path)) == 1
