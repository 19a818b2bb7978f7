"""What takes part: something that can be started, measured and stopped.  [I/O]

Children live in sessions of their own, so that Ctrl-C reaches us alone and each is
ended in order; should we be killed outright, the kernel ends them (`setpriv --pdeathsig`).
"""

import os
import resource
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path

CORES = sorted(os.sched_getaffinity(0))
# Everything measured runs on one core, load and origin on another: the farthest, since
# neighbours are often one core twice.
OTHER_CPU, MEASURED_CPU = str(CORES[0]), str(CORES[-1])
START_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 5.0
# Written by each contender into its folder and kept beside the results; a longer file is one line many
# times (10,000 routes), and its beginning shows it.
KEPT_BYTES_MAX = 64 * 1024
KEPT = ("*.cfg", "*.conf", "*.toml", "*_proxy.py", "command.txt")


@dataclass(slots=True)
class Running:
    """A contender at work: where to reach it, and which processes to bill."""

    url: str
    pids: list[int]
    headers: dict[str, str] = field(default_factory=dict)  # which a request must carry here
    tiers: dict[str, list[int]] = field(default_factory=dict)  # whose share is told apart; billed or not


@dataclass(frozen=True, slots=True)
class Contender:
    """`start(folder)` is a context manager that yields a `Running`."""

    name: str  # one name, one configuration: under it that is kept
    start: Callable[[Path], AbstractContextManager[Running]]
    why_absent: str = ""  # not installed: the row says so and nothing is estimated


def pinned(command: list[str], cpu: str) -> list[str]:
    """`command` on one core, ended by the kernel when we are gone."""
    guard = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
    return [*guard, "taskset", "-c", cpu, *command]


def spawn(
    command: list[str], folder: Path, cpu: str, environment: Mapping[str, str] | None = None
) -> "subprocess.Popen[bytes]":
    """Start `command` on one core, its output in `folder`."""
    with open(folder / "command.txt", "a") as told:
        told.write(" ".join(command) + "\n")
    with open(folder / f"{Path(command[0]).name}.log", "ab") as log:
        return subprocess.Popen(
            pinned(command, cpu),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End `process`, kindly first."""
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """A port that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def await_port(port: int, process: "subprocess.Popen[bytes]", host: str = "127.0.0.1") -> None:
    """Until somebody listens there.  Raises `TimeoutError`, also when `process` has ended."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection((host, port), 0.2):
                return
        except OSError:
            time.sleep(0.02)
    ended = "" if process.poll() is None else f": it ended with status {process.returncode}"
    raise TimeoutError(f"nobody listens on {host}:{port}{ended}")


def children(pid: int) -> list[int]:
    """The direct children of `pid`."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def raise_descriptors_max() -> int:
    """Allow ourselves and our children as many descriptors as the machine does; how many that is."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def keep_configuration(folder: Path, kept: Path, shown_as: Mapping[str, str]) -> None:
    """Copy what a contender was configured with; `shown_as` replaces paths of this run."""
    for pattern in KEPT:
        for file in sorted(folder.glob(pattern)):
            with suppress(OSError, UnicodeDecodeError):
                text = file.read_text()
                if len(text) > KEPT_BYTES_MAX:
                    text = f"{text[: KEPT_BYTES_MAX // 16]}\n# and so on: {len(text):,} bytes\n"
                for ours, neutral in shown_as.items():
                    text = text.replace(ours, neutral)
                kept.mkdir(parents=True, exist_ok=True)
                # A program is kept to be read, not to be found by whatever looks for programs.
                name = f"{file.name}.txt" if file.suffix == ".py" else file.name
                (kept / name).write_text(text)
