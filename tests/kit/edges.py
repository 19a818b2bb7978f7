"""A whole edge of one's own: the real Procfile under honcho, every port 0."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from edge.cli.hub import ask
from edge.cli.operate import listening
from edge.common.config import Config
from edge.common.config_file import load
from edge.common.errors import LinkLost
from edge.supervise.formation import formation

ROOT = Path(__file__).parents[2]
T = TypeVar("T")


@dataclass
class Edge:
    """A running edge: where it is and what it is made of."""

    run_dir: Path
    environment: dict[str, str]
    config: Config
    honcho: "subprocess.Popen[bytes]"
    output: Path

    def members(self) -> dict[str, dict[str, Any]]:
        """Everybody the hub knows, by name; empty while there is no hub."""
        try:
            return {member["name"]: member for member in ask(self.run_dir, "status")}
        except LinkLost:
            return {}

    def live(self) -> dict[str, int]:
        """The pid of each process that serves."""
        return {
            name: member["pid"] for name, member in self.members().items() if member.get("state") == "live"
        }

    def expected(self) -> set[str]:
        """The names of all that is to run."""
        return {spec.name for spec in formation(self.config)}

    def wait_ready(self, timeout_s: float = 30.0) -> None:
        """Until every process serves."""
        wait_for(lambda: self.expected() <= self.live().keys(), timeout_s, self.describe)

    def describe(self) -> str:
        """For the message of a test that failed."""
        missing = sorted(self.expected() - self.live().keys())
        return f"missing: {missing}\n{self.output.read_text()[-4000:]}"

    def address(self, name: str, key: str = "https") -> tuple[str, int]:
        """Where `name` listens."""
        host, _, port = listening(self.run_dir)[name][key].rpartition(":")
        return host, int(port)

    def kill(self, name: str, number: int = signal.SIGKILL) -> int:
        """Signal the process `name`; returns the pid it had."""
        pid = self.live()[name]
        os.kill(pid, number)
        return pid

    def run(
        self, *arguments: str, timeout_s: float = 30.0, **environment: str
    ) -> "subprocess.CompletedProcess[str]":
        """`edge ARGUMENTS` against this edge."""
        return subprocess.run(
            [sys.executable, "-m", "edge", *arguments],
            env=self.environment | environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )


def wait_for(condition: Callable[[], T], timeout_s: float = 10.0, explain: Callable[[], str] = str) -> T:
    """Poll until `condition()` is true and return it; fail loudly, with an explanation."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.01)
    raise AssertionError(f"it did not happen within {timeout_s} s; {explain()}")


@contextmanager
def running_edge(run_dir: Path, settings: Mapping[str, str] | None = None) -> Iterator[Edge]:
    """The default edge on free ports, with `settings` as EDGE_* variables; gone afterwards."""
    run_dir.mkdir(parents=True, exist_ok=True)
    config = load(ROOT / "edge.toml", {})
    free_ports = {
        "EDGE_HTTPS_PORT": "0",
        "EDGE_HTTP_PORT": "0",
        "EDGE_CONSOLE": "127.0.0.1:0",
        "EDGE__DNS__LISTEN": "127.0.0.1:0",
    } | {f"EDGE__SERVICE__{service.name.upper()}__PORT": "0" for service in config.service}
    ours = free_ports | dict(settings or {}) | {"EDGE_RUN_DIR": str(run_dir), "PYTHONUNBUFFERED": "1"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_")} | ours
    output = run_dir / "output.log"
    with open(output, "wb") as sink:
        honcho = subprocess.Popen(
            [sys.executable, "-m", "honcho", "-f", str(ROOT / "Procfile"), "start"],
            cwd=ROOT,
            env=environment | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
    edge = Edge(run_dir, environment, load(ROOT / "edge.toml", ours), honcho, output)
    try:
        edge.wait_ready()
        yield edge
    finally:
        honcho.terminate()
        try:
            honcho.wait(timeout=15)
        except subprocess.TimeoutExpired:
            honcho.kill()
            honcho.wait()
