"""What the L4 process does around its engine."""

import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from edge.common.config import Config
from edge.common.process import Process
from edge.l4 import worker


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Process]:
    """An L4 that is to meter SYNs in the kernel."""
    config = Config()
    l4 = msgspec.structs.replace(config.l4, syn_guard="nft")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Process.for_test(
            msgspec.structs.replace(config, l4=l4), tmp_path, name="l4-mumbai-a", tier="l4"
        )
        made.sockets = {"https": listener}
        yield made


def test_without_nft_the_l4_says_so_and_serves(
    guarded: Process, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The accept limiter works everywhere; a missing program is no outage."""
    monkeypatch.setenv("PATH", "")

    with worker.syn_guard(guarded):
        pass

    assert "nft is missing" in capsys.readouterr().out


def test_the_standby_leaves_the_kernel_alone(guarded: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table guards the address, so one keeps it; a second would delete the first's when it ends."""
    asked: list[object] = []
    monkeypatch.setattr(worker, "SynGuard", asked.append)
    guarded.index = 1

    with worker.syn_guard(guarded):
        pass

    assert asked == []
