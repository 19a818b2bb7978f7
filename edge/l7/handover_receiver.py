"""How do connections come from L4 to this worker?  [I/O]

The worker listens on a Unix SOCK_SEQPACKET socket, and every L4 of its POP connects
to it.  A message carries up to 64 sockets with the story of each
(`edge.common.handover`).  Back goes what L4 wants to know: up to where
everything has been taken, how many connections are open, which have ended.

A batch is taken where the poller meets it (`edge.l7.poller`), one at a time: with it
come up to 64 handshakes' first steps (15 ms), and others want their turn as well.

Credits are gathered for `CREDIT_DELAY_S`, so that one wake-up of the L4 pays for
many connections.
"""

import os
import socket
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import trio

from edge.common.handover import (
    BATCH_BYTES_MAX,
    CLOSED_MAX,
    CREDIT_DELAY_S,
    RECORDS_MAX,
    Credit,
    Handover,
    HandoverError,
    decode_batch,
    encode_credit,
)
from edge.common.log import Log
from edge.l7.poller import PARK, TAKEN, Poller

_DESCRIPTOR_BYTES: Final = 4
_ANCILLARY_BYTES: Final = socket.CMSG_SPACE(RECORDS_MAX * _DESCRIPTOR_BYTES)
_BACKLOG: Final = 64  # L4s of one POP: two, and those that restart

# Takes one connection, and the function to call with its ticket when it has ended.
Take = Callable[[socket.socket, Handover, Callable[[int], None]], None]


class HandoverReceiver:
    """The worker's end of all links to L4."""

    def __init__(self, path: Path, take: Take, log: Log, poller: Poller) -> None:
        self._path = path
        self._take = take
        self._log = log
        self._poller = poller
        self._links: set[_Link] = set()
        self.open = 0
        self.taken = 0
        self.draining = False

    def listen(self) -> socket.socket:
        """The listening socket at `path`; what an earlier life left there is removed."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.setblocking(False)
        listener.bind(str(self._path))
        self._path.chmod(stat.S_IRUSR | stat.S_IWUSR)
        listener.listen(_BACKLOG)
        return listener

    async def run(self, listener: socket.socket) -> None:
        """Accept links from L4 until cancelled."""
        with listener:
            async with trio.open_nursery() as nursery:
                while True:
                    await trio.lowlevel.wait_readable(listener)
                    try:
                        sock, _ = listener.accept()
                    except (BlockingIOError, ConnectionError):
                        continue
                    sock.setblocking(False)
                    nursery.start_soon(self._serve, _Link(sock, self._ended))

    def drain(self) -> None:
        """Ask every L4 for no more connections; those on their way are still taken."""
        self.draining = True
        for link in self._links:
            link.owes.set()

    async def _serve(self, link: "_Link") -> None:
        self._links.add(link)
        watch = self._poller.watch(link.sock.fileno())
        watch.express = partial(self._on_batch, link)
        watch.arm()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._credit, link)
                await link.over.wait()
                nursery.cancel_scope.cancel()
        except* OSError:
            pass  # the L4 is gone; what it gave us stays with us
        finally:
            self._links.discard(link)
            watch.close()
            trio.lowlevel.notify_closing(link.sock)
            link.sock.close()

    def _on_batch(self, link: "_Link") -> int:
        try:
            data, ancillary, flags, _ = link.sock.recvmsg(
                BATCH_BYTES_MAX, _ANCILLARY_BYTES, socket.MSG_CMSG_CLOEXEC
            )
            if data:
                self._unpack(link, data, _descriptors(ancillary), flags)
                return TAKEN
        except BlockingIOError:
            return TAKEN
        except HandoverError as error:
            self._log.warning("handover.error", error=str(error))
        except OSError:
            pass  # the L4 is gone; what it gave us stays with us
        link.over.set()
        return PARK  # an end is reported for as long as somebody listens

    def _unpack(self, link: "_Link", data: bytes, descriptors: list[int], flags: int) -> None:
        try:
            if flags & (socket.MSG_CTRUNC | socket.MSG_TRUNC):
                raise HandoverError("a batch was cut short by the kernel")
            first, records = decode_batch(data, len(descriptors))
        except HandoverError:
            for descriptor in descriptors:
                os.close(descriptor)
            raise
        for descriptor, record in zip(descriptors, records, strict=True):
            # Given family, type and protocol, Python asks the kernel for none of them.
            family = socket.AF_INET6 if ":" in record.source_ip else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=descriptor)
            self.open += 1
            self.taken += 1
            self._take(sock, record, link.ended)
        link.taken = max(link.taken, first + len(records) - 1) if records else link.taken
        link.owes.set()
        if not records:
            link.hurry.set()  # a probe: is anybody there?

    def _ended(self, link: "_Link", ticket: int) -> None:
        self.open -= 1
        link.closed.append(ticket)
        link.owes.set()

    async def _credit(self, link: "_Link") -> None:
        while True:
            await link.owes.wait()
            with trio.move_on_after(CREDIT_DELAY_S):
                await link.hurry.wait()
            link.owes, link.hurry = trio.Event(), trio.Event()
            closed, link.closed = link.closed[:CLOSED_MAX], link.closed[CLOSED_MAX:]
            if link.closed:
                link.owes.set()
            message = encode_credit(Credit(link.taken, self.open, closed, self.draining))
            while True:
                try:
                    link.sock.send(message)
                    break
                except BlockingIOError:
                    await trio.lowlevel.wait_writable(link.sock)


class _Link:
    """One L4's link, and what we owe it."""

    def __init__(self, sock: socket.socket, ended: Callable[["_Link", int], None]) -> None:
        self.sock = sock
        self.ended: Final = partial(ended, self)  # one for all connections
        self.taken = 0
        self.closed: list[int] = []
        self.owes = trio.Event()
        self.hurry = trio.Event()
        self.over = trio.Event()


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    found: list[int] = []
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            whole = len(data) - len(data) % _DESCRIPTOR_BYTES
            found += [
                int.from_bytes(data[at : at + _DESCRIPTOR_BYTES], "little")
                for at in range(0, whole, _DESCRIPTOR_BYTES)
            ]
    return found
