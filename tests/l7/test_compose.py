"""What the stages need from disk."""

from pathlib import Path

import msgspec
import pytest

from edge.l7.compose import SecretMissing, affinity_secret
from edge.supervise.keys import ensure_keys
from tests.kit.l7_worker import toy_config

CONFIG = toy_config("127.0.0.1:1")
STICKY = msgspec.structs.replace(
    CONFIG, cluster=(msgspec.structs.replace(CONFIG.cluster[0], affinity="cookie"),)
)


def test_without_its_secret_a_sticky_cluster_does_not_start(tmp_path: Path) -> None:
    """Falling back to something that can be guessed would hand the choice to whoever guesses."""
    with pytest.raises(SecretMissing, match=r"affinity\.key"):
        affinity_secret(tmp_path, STICKY)


def test_every_worker_reads_the_same_secret(tmp_path: Path) -> None:
    """A phone that comes back to another worker finds the same endpoint."""
    ensure_keys(tmp_path, STICKY)

    assert affinity_secret(tmp_path, STICKY) == affinity_secret(tmp_path, STICKY) != b""


def test_who_is_not_sticky_needs_no_secret(tmp_path: Path) -> None:
    """A lab that makes no keys still runs."""
    assert affinity_secret(tmp_path, CONFIG) == b""
