"""How does a new L4 take the sockets of the one that runs?  [I/O]

For an L4 that stands alone: start the same command again, with the same
`--handover PATH`.  The new process connects to PATH, is sent the listening sockets
with SCM_RIGHTS, and takes PATH over; the old one stops accepting and ends when its
connections have.  The sockets are never closed in between, so no SYN is lost.
(HAProxy's `-x` and Envoy's hot restart do the same.)

In the formation none of this is needed: there the supervisor holds the sockets.
"""

import array
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio

_DESCRIPTORS_MAX = 16
_ASK_S = 2.0


def inherit(path: Path) -> list[socket.socket]:
    """The sockets of the process that waits at `path`; none if nobody does."""
    asker = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with asker:
        asker.settimeout(_ASK_S)
        try:
            asker.connect(str(path))
            _, ancillary, _, _ = asker.recvmsg(1, socket.CMSG_SPACE(4 * _DESCRIPTORS_MAX))
        except OSError:
            return []
    numbers = array.array("i")
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            numbers.frombytes(content)
    inherited = [socket.socket(fileno=number) for number in numbers]
    for heirloom in inherited:
        heirloom.setblocking(False)
    return inherited


def await_heir(path: Path) -> socket.socket:
    """A socket at which a successor will ask; whoever waited there before is replaced."""
    private = path.with_name(f".{path.name}.{os.getpid()}")
    waiting = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with contextlib.suppress(FileNotFoundError):
        private.unlink()
    waiting.bind(str(private))
    private.chmod(0o600)
    waiting.listen(1)
    waiting.setblocking(False)
    private.replace(path)  # in one step: an asker finds the old or the new one
    return waiting


async def bequeath(
    waiting: socket.socket, heirlooms: list[socket.socket], done: Callable[[], Awaitable[None]]
) -> None:
    """Give `heirlooms` to the first who asks, then call `done`."""
    while True:
        await trio.lowlevel.wait_readable(waiting)
        try:
            heir, _ = waiting.accept()
        except OSError:
            continue
        with heir:
            numbers = array.array("i", [heirloom.fileno() for heirloom in heirlooms])
            try:
                heir.sendmsg([b"!"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, numbers)])
            except OSError:
                continue  # it left before it had them; we are still the one
        await done()
        return
