"""What takes part: something that can be started, measured and stopped.  [I/O]"""

import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

# Everything measured runs on one core, load and origin on the other.
MEASURED_CPU = "1"
OTHER_CPU = "0"
START_TIMEOUT_S = 15.0


@dataclass(slots=True)
class Running:
    """A contender at work: where to reach it, and which processes to bill."""

    url: str
    pids: list[int]
    headers: dict[str, str] = field(default_factory=dict)  # which a request must carry here


@dataclass(frozen=True, slots=True)
class Contender:
    """`start(folder)` is a context manager that yields a `Running`."""

    name: str
    start: Callable[[Path], AbstractContextManager[Running]]
    why_absent: str = ""  # not installed: the row says so and nothing is estimated


def spawn(
    command: list[str], folder: Path, cpu: str, environment: Mapping[str, str] | None = None
) -> "subprocess.Popen[bytes]":
    """Start `command` on one core, its output in `folder`."""
    log = open(folder / f"{Path(command[0]).name}.log", "ab")  # noqa: SIM115 - the child keeps it
    with log:
        return subprocess.Popen(
            ["taskset", "-c", cpu, *command], stdout=log, stderr=log, cwd=folder, env=environment
        )


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End `process`, kindly first."""
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """A port that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def await_port(port: int, host: str = "127.0.0.1") -> None:
    """Until somebody listens there.  Raises `TimeoutError`."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((host, port), 0.2):
                return
        except OSError:
            time.sleep(0.02)
    raise TimeoutError(f"nobody listens on {host}:{port}")


def children(pid: int) -> list[int]:
    """The direct children of `pid`."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
