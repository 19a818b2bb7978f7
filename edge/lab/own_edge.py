"""An edge for one run: the supervisors of every tier, on free ports, in a directory of its own.  [I/O]

Nothing of it touches the edge that may be running beside it: every port is 0, the
run directory is new, and the control socket lies in there.
"""

import ctypes
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import orjson
import trio

from edge.common.config import Config
from edge.common.config_file import load
from edge.common.errors import EdgeError
from edge.common.fault_hook import thaw
from edge.common.link_client import Link
from edge.common.log import Log
from edge.common.messages import Member
from edge.supervise.formation import formation
from edge.supervise.keys import ensure_keys

TIERS = ("control", "services", "l7", "l4", "dns")
READY_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 8.0
POLL_S = 0.05
LOG_FILE = "edge.log"
_PR_SET_PDEATHSIG = 1


class NotReady(EdgeError):
    """The edge of a lab did not come up; the text holds the end of its log."""

    status_hint = None


@dataclass(slots=True)
class OwnEdge:
    """A running edge, seen as one of its members."""

    run_dir: Path
    config: Config
    link: Link
    tls: ssl.SSLContext
    supervisors: dict[str, "subprocess.Popen[bytes]"]

    def listening(self) -> dict[str, dict[str, str]]:
        """Where each process really listens."""
        found: dict[str, dict[str, str]] = {}
        for file in sorted((self.run_dir / "listen").glob("*.json")):
            found |= orjson.loads(file.read_bytes())
        return found

    def address(self, name: str, key: str) -> tuple[str, int]:
        """Where `name` listens for `key`.  Raises `KeyError`."""
        host, _, port = self.listening()[name][key].rpartition(":")
        return host, int(port)

    def name_server(self) -> tuple[str, int]:
        """Where this edge's DNS listens.  Raises `KeyError`."""
        owner = next((name for name, places in self.listening().items() if "udp" in places), "dns-1")
        return self.address(owner, "udp")

    def pids(self, target: str) -> dict[str, int]:
        """The processes that a name, a service, a tier or a POP means."""
        return {
            member.name: member.pid
            for member in self.link.members.values()
            if target in (member.name, member.service, member.tier, member.pop)
        }

    async def stop_tier(self, tier: str) -> None:
        """End a tier's supervisor, so that nobody brings its processes back."""
        process = self.supervisors.pop(tier)
        process.send_signal(signal.SIGTERM)
        with trio.move_on_after(STOP_TIMEOUT_S):
            while process.poll() is None:  # noqa: ASYNC110  # a Popen has no event
                await trio.sleep(POLL_S)
            return
        process.kill()


@asynccontextmanager
async def own_edge(
    root: Path, config_file: Path, run_dir: Path, settings: Mapping[str, Any]
) -> AsyncIterator[OwnEdge]:
    """An edge that serves until the block is left.  Raises `ConfigError` or `NotReady`."""
    edge = _start(root, config_file, run_dir, settings)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(edge.link.run)
            await _ready(edge)
            yield edge
            nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True):
            thaw(run_dir)
            async with trio.open_nursery() as nursery:
                for tier in list(edge.supervisors):
                    nursery.start_soon(edge.stop_tier, tier)


def _start(root: Path, config_file: Path, run_dir: Path, settings: Mapping[str, Any]) -> OwnEdge:
    # Before any load: nothing else waits for this thread yet.
    run_dir.mkdir(parents=True, mode=0o700)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_")}
    ours = {name: _spelled(value) for name, value in settings.items()}
    ours |= _free_ports(load(config_file, ours), ours)
    environ |= ours | {"EDGE_CONFIG": str(config_file), "EDGE_RUN_DIR": str(run_dir)}
    config = load(config_file, ours)
    ensure_keys(run_dir, config)
    supervisors = {}
    with open(run_dir / LOG_FILE, "wb") as log:
        for tier in TIERS:
            supervisors[tier] = subprocess.Popen(
                [sys.executable, "-u", "-m", "edge.supervise", tier],
                cwd=root,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,  # noqa: PLW1509  # a lab has one thread
            )
    member = Member(name="lab", tier="lab", pid=os.getpid(), state="live")
    link = Link(run_dir / "control.sock", member, config.control, Log("edge-lab", "lab", "text", StringIO()))
    return OwnEdge(run_dir, config, link, _trust(run_dir), supervisors)


async def _ready(edge: OwnEdge) -> None:
    expected = {spec.name for spec in formation(edge.config) if spec.tier != "console"}
    live: set[str] = set()
    with trio.move_on_after(READY_TIMEOUT_S):
        while not expected <= live:
            await trio.sleep(POLL_S)
            if any(supervisor.poll() is not None for supervisor in edge.supervisors.values()):
                break  # one of them found a reason not to start; its log says which
            live = {member.name for member in edge.link.members.values() if member.state == "live"}
    if not expected <= live:
        missing = ", ".join(sorted(expected - live))
        raise NotReady(f"the lab's edge lacks {missing}\n{_log_end(edge.run_dir)}")
    # The last to come up is known to us; give its neighbours one beat to hear of it.
    await trio.sleep(0.3)


def _log_end(run_dir: Path) -> str:
    return (run_dir / LOG_FILE).read_text(errors="replace")[-3000:]


def _die_with_parent() -> None:
    # A lab that is killed leaves no edge behind.  Workers do the same towards their supervisor.
    os.setsid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _free_ports(config: Config, ours: Mapping[str, str]) -> dict[str, str]:
    free = {
        "EDGE_HTTPS_PORT": "0",
        "EDGE_HTTP_PORT": "0",
        "EDGE_CONSOLE": "127.0.0.1:0",
        "EDGE__DNS__LISTEN": "127.0.0.1:0",
    }
    free |= {f"EDGE__SERVICE__{service.name.upper()}__PORT": "0" for service in config.service}
    return {name: value for name, value in free.items() if name not in ours}


def _trust(run_dir: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(run_dir / "ca.pem"))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _spelled(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return orjson.dumps(value).decode() if isinstance(value, list) else str(value)
