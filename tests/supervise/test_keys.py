"""Keys are made once, kept, and readable by nobody else."""

import stat
from pathlib import Path

from edge.supervise.keys import AFFINITY_KEY_BYTES, ensure_keys
from tests.kit.l7_worker import toy_config

CONFIG = toy_config("127.0.0.1:1")


def test_the_affinity_key_is_random_private_and_kept(tmp_path: Path) -> None:
    """Who can guess it chooses which endpoint he lands on; a new one moves every phone."""
    ensure_keys(tmp_path / "one", CONFIG)
    ensure_keys(tmp_path / "two", CONFIG)
    path = tmp_path / "one" / "keys" / "affinity.key"
    first = path.read_bytes()

    made_again = ensure_keys(tmp_path / "one", CONFIG)

    assert made_again == []
    assert path.read_bytes() == first
    assert len(first) == AFFINITY_KEY_BYTES
    assert first != (tmp_path / "two" / "keys" / "affinity.key").read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_no_private_key_is_readable_by_others(tmp_path: Path) -> None:
    """The directory is closed already; a backup that forgets its mode must not open them."""
    ensure_keys(tmp_path, CONFIG)

    files = [path for path in (tmp_path / "keys").iterdir() if not path.name.endswith(".pub.pem")]

    for path in files:
        if path.suffix == ".key" or path.name.startswith("session-"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
