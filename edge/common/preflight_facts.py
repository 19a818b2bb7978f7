"""Look at the machine before anything starts.  [I/O]

Reads what `edge.common.preflight` judges: who listens where and which process
that is, which addresses exist, limits, memory, disk, permissions.  Nothing is
changed, and what cannot be found out (another system than Linux, another
user's process) is left out instead of guessed.
"""

import contextlib
import os
import resource
import shutil
import socket
import struct
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from edge.common.config import Config
from edge.common.preflight import Facts, FileMode, Owner, check, problems, wanted
from edge.common.proc_net import Listener, Protocol, parse_listeners

_PROC = Path("/proc")
_COMMAND_CHARACTERS_MAX = 80
_HUB_TIMEOUT_S = 0.5
_PEM_HEAD_BYTES = 4096  # the first line says what it is; text may stand before it


def preflight(config: Config, run_dir: Path) -> list[str]:
    """What keeps this edge from starting, each with the way out; empty when nothing does."""
    return problems(check(config, read_facts(config, run_dir)))


def read_facts(config: Config, run_dir: Path, our_pids: Iterable[int] = ()) -> Facts:
    """Everything the checks want to know.  `our_pids`: the processes of this edge, if it runs."""
    addresses = wanted(config)
    ports = {one.port for one in addresses}
    listeners = tuple(one for one in _listeners() if one.port in ports)
    ours = frozenset(our_pids)
    ca = run_dir / "ca.pem"
    return Facts(
        python=sys.version_info[:3],
        run_dir=str(run_dir),
        listeners=listeners,
        owners=_owners({one.inode for one in listeners}, ours),
        our_pids=ours,
        unusable_addresses=_unusable(dict.fromkeys(one.host for one in addresses)),
        unprivileged_port_min=_unprivileged_port_min(),
        open_files=resource.getrlimit(resource.RLIMIT_NOFILE),
        memory_available_bytes=_memory_available(),
        disk_free_bytes=shutil.disk_usage(_existing(run_dir)).free,
        unix_now=time.time(),
        ca_made_unix=ca.stat().st_mtime if ca.exists() else None,
        modes=_modes(run_dir),
        hub_pid=_hub_pid(run_dir / "control.sock"),
    )


def owner_of(protocol: Protocol, host: str, port: int) -> Owner | None:
    """Who holds this address, if somebody does and we may see it."""
    clashing = [one for one in _listeners() if one.clashes(protocol, host, port)]
    owners = _owners({one.inode for one in clashing}, frozenset())
    return next((owners[one.inode] for one in clashing if one.inode in owners), None)


def _listeners() -> list[Listener]:
    found: list[Listener] = []
    protocols: tuple[Protocol, Protocol] = ("tcp", "udp")
    for protocol in protocols:
        for version in ("", "6"):
            found += parse_listeners(protocol, _text(_PROC / "net" / f"{protocol}{version}"))
    return found


def _owners(inodes: set[int], preferred: frozenset[int]) -> dict[int, Owner]:
    """Which process holds each socket.  One of `preferred` wins where several share it."""
    found: dict[int, Owner] = {}
    links = {f"socket:[{inode}]": inode for inode in inodes}
    for directory in _PROC.glob("[0-9]*") if links else ():
        pid = int(directory.name)
        for target in _open_files(directory / "fd") & links.keys():
            if links[target] not in found or pid in preferred:
                found[links[target]] = Owner(pid, _command(directory))
    return found


def _open_files(directory: Path) -> set[str]:
    targets: set[str] = set()
    try:
        for link in directory.iterdir():
            # One by one: a descriptor may be closed while we look, and when the process
            # is this one, the descriptor of the listing itself always is.
            with contextlib.suppress(FileNotFoundError):
                targets.add(os.readlink(link))
    except OSError:
        pass  # it has ended, or belongs to somebody else
    return targets


def _command(directory: Path) -> str:
    words = _text(directory / "cmdline").replace("\0", " ").strip()
    return words[:_COMMAND_CHARACTERS_MAX] or _text(directory / "comm").strip() or "?"


def _unusable(hosts: Iterable[str]) -> dict[str, str]:
    """Addresses that this machine does not have, found by binding a free port for a moment."""
    refused: dict[str, str] = {}
    for host in hosts:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.bind((host, 0))
        except OSError as error:
            refused[host] = error.strerror or str(error)
    return refused


def _unprivileged_port_min() -> int:
    if os.geteuid() == 0:
        return 0
    text = _text(_PROC / "sys/net/ipv4/ip_unprivileged_port_start").strip()
    return int(text) if text.isdigit() else 1024


def _memory_available() -> int | None:
    for line in _text(_PROC / "meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _existing(path: Path) -> Path:
    return path if path.exists() or path == path.parent else _existing(path.parent)


def _modes(run_dir: Path) -> tuple[FileMode, ...]:
    keys = run_dir / "keys"
    private = [path for path in sorted(keys.glob("*")) if path.is_file() and _is_private_key(path)]
    found = []
    for path in (run_dir, keys, *private):
        try:
            status = path.stat()
        except OSError:
            continue  # not made yet
        found.append(
            FileMode(
                path=str(path),
                mode=status.st_mode & 0o777,
                directory=path.is_dir(),
                ours=status.st_uid == os.getuid(),
            )
        )
    return tuple(found)


def _is_private_key(path: Path) -> bool:
    # Content, not name: a list of the public files would have to grow with each new one,
    # and whoever forgot it would be refused at the second start.
    return b"PRIVATE KEY" in path.read_bytes()[:_PEM_HEAD_BYTES] if os.access(path, os.R_OK) else True


def _hub_pid(path: Path) -> int | None:
    """The process behind the control socket, None where nobody answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(_HUB_TIMEOUT_S)
        try:
            link.connect(str(path))
            credentials = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        except OSError:
            return None
        pid: int = struct.unpack("3i", credentials)[0]
        return pid


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
