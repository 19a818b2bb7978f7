"""The L4's end of the links to its workers: sockets and what is on its way over them.  [I/O]"""

import socket
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from edge.common.handover import Handover
from edge.l4.probe import Probe

Sent = tuple[int, Handover, bytes]  # our copy of the descriptor, the record, the packed source


class Link:
    """The socket to one worker, what waits to go out, and what is not acknowledged."""

    __slots__ = ("acknowledged", "ended", "name", "number", "probe", "socket", "unsent", "untaken")

    def __init__(self, name: str, number: int, connection: socket.socket, probe: Probe) -> None:
        self.name = name
        self.number = number
        self.socket = connection
        self.probe = probe
        self.unsent: list[Sent] = []
        self.untaken: deque[Sent] = deque()
        self.acknowledged = 0
        self.ended = False


def connect(path: Path) -> socket.socket | None:
    """A link's socket, or None while the worker is not there or its backlog is full."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.setblocking(False)
        connection.connect(str(path))
    except OSError:
        connection.close()
        return None
    return connection


def worker_socket(run_dir: Path, name: str) -> Path:
    """Where the L7 worker `name` waits for links."""
    return run_dir / "l7" / f"{name}.sock"


def worker_names(pop: str, count: int, heard: Iterable[str] = ()) -> list[str]:
    """The workers of a POP: those the configuration promises and those that were heard of."""
    return list(dict.fromkeys([*(f"l7-{pop}-{n + 1}" for n in range(count)), *heard]))
