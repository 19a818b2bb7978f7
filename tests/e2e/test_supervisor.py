"""The prefork parent with real children and a real hub."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.cli.hub import ask
from edge.common.errors import LinkLost

pytestmark = pytest.mark.e2e

PROGRAM = """
import sys
from pathlib import Path
from edge.common.config import Config
from edge.supervise.formation import Listen, Spec
from edge.supervise.supervisor import Supervisor
specs = (
    Spec("hub", "control", "edge.control.hub:serve", listen=(Listen("control", "unix", "control.sock"),)),
    Spec("toy-1", "service", "tests.kit.toy_tier:serve", service="toy"),
    Spec("toy-2", "service", "tests.kit.toy_tier:serve", service="toy", index=1),
)
sys.exit(Supervisor("toys", specs, Config(), Path(sys.argv[1])).run())
"""


@contextmanager
def supervisor(run_dir: Path) -> Iterator["subprocess.Popen[bytes]"]:
    parent = subprocess.Popen([sys.executable, "-c", PROGRAM, str(run_dir)], stdout=subprocess.DEVNULL)
    try:
        yield parent
    finally:
        parent.kill()
        parent.wait()


def live(run_dir: Path) -> dict[str, int]:
    try:
        members = ask(run_dir, "status")
    except LinkLost:
        return {}
    return {member["name"]: member["pid"] for member in members if member.get("state") == "live"}


def wait_for(condition, timeout_s: float = 10.0):
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.01)
    raise AssertionError("it did not happen in time")


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_worker_that_is_killed_comes_back_at_once(tmp_path: Path) -> None:
    """`kill -9` of any one process is an everyday event."""
    with supervisor(tmp_path):
        before = wait_for(lambda: len(found := live(tmp_path)) == 3 and found)
        os.kill(before["toy-1"], signal.SIGKILL)

        after = wait_for(lambda: (now := live(tmp_path)).get("toy-1") not in (None, before["toy-1"]) and now)

        assert after["toy-2"] == before["toy-2"]


def test_the_hub_that_is_killed_comes_back_and_all_rejoin(tmp_path: Path) -> None:
    """Nobody else even restarts."""
    with supervisor(tmp_path):
        before = wait_for(lambda: len(found := live(tmp_path)) == 3 and found)
        os.kill(before["hub"], signal.SIGKILL)

        after = wait_for(lambda: len(now := live(tmp_path)) == 3 and now["hub"] != before["hub"] and now)

        assert {name: after[name] for name in ("toy-1", "toy-2")} == {
            name: before[name] for name in ("toy-1", "toy-2")
        }


def test_sigterm_ends_parent_and_children_quickly(tmp_path: Path) -> None:
    """Ctrl-C leaves nothing behind."""
    with supervisor(tmp_path) as parent:
        pids = wait_for(lambda: len(found := live(tmp_path)) == 3 and found)
        started = time.monotonic()
        parent.terminate()

        assert parent.wait(timeout=5.0) == 0
        assert time.monotonic() - started < 4.9
        assert all(gone(pid) for pid in pids.values())


def test_children_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    """No orphan keeps a port that the next start needs."""
    with supervisor(tmp_path) as parent:
        pids = wait_for(lambda: len(found := live(tmp_path)) == 3 and found)
        parent.kill()

        wait_for(lambda: all(gone(pid) for pid in pids.values()))
