"""Sessions that were ended stay ended over a restart."""

from pathlib import Path

from edge.common.revoked import add_revoked, read_revoked


def test_what_was_ended_is_read_until_its_token_ends(tmp_path: Path) -> None:
    """A worker that starts later must refuse it as well; a list that only grew would be a leak."""
    add_revoked(tmp_path, "one", 100.0, unix_now=10.0)
    add_revoked(tmp_path, "two", 200.0, unix_now=20.0)

    assert read_revoked(tmp_path, 50.0) == {"one": 100.0, "two": 200.0}
    assert read_revoked(tmp_path, 150.0) == {"two": 200.0}


def test_nothing_and_rubbish_are_both_an_empty_list(tmp_path: Path) -> None:
    """A worker must start whatever is on the disk."""
    nothing = read_revoked(tmp_path, 0.0)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "revoked.msgpack").write_bytes(b"\xc1")

    assert nothing == {}
    assert read_revoked(tmp_path, 0.0) == {}
