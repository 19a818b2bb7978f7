"""What a hub leaves to its successor."""

from pathlib import Path

from edge.common.messages import Ban
from edge.control.durable_file import STATE_FILE, DurableFile
from edge.control.membership import Durable

STATE = Durable(known=["feed-1"], weights={"l7-1": 0}, bans=[Ban(network="a", until_unix=1.0, reason="r")])


def test_what_is_written_is_read_by_the_next(tmp_path: Path) -> None:
    """An operator's word outlives the process that heard it; nobody else may read it."""
    DurableFile(tmp_path).write(STATE)

    assert DurableFile(tmp_path).read() == STATE
    assert (tmp_path / STATE_FILE).stat().st_mode & 0o777 == 0o600


def test_a_damaged_file_is_a_fresh_start(tmp_path: Path) -> None:
    """Half a file after a power cut must not keep the hub from starting."""
    DurableFile(tmp_path).write(STATE)
    file = tmp_path / STATE_FILE
    file.write_bytes(file.read_bytes()[:7])

    assert DurableFile(tmp_path).read() == Durable()
