"""An L7 worker that speaks only the handover: takes sockets, answers, gives credits.  [I/O]

`python -m tests.kit.worker_stand_in PATH [--answer-and-close]` echoes what phones
send; with the flag it answers `ok` and closes, which is what a benchmark of new
connections needs.  One thread, one epoll: it must cost less than what is measured.
"""

import argparse
import array
import contextlib
import os
import select
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path

from edge.common.handover import (
    BATCH_BYTES_MAX,
    CLOSED_MAX,
    CREDIT_DELAY_S,
    RECORDS_MAX,
    Credit,
    Handover,
    decode_batch,
    encode_credit,
)


@dataclass(slots=True, eq=False)
class Link:
    """One L4."""

    socket: socket.socket
    taken: int = 0
    closed: list[int] = field(default_factory=list)
    owes_since: float | None = None


class StandIn:
    """The worker; `turn` does what is due, `run` does it for ever."""

    def __init__(self, path: Path, *, answer_and_close: bool = False, tell: bool = False) -> None:
        self.records: list[Handover] = []  # the latest, for tests that look inside
        self.draining = False
        self.taking = True
        self.crediting = True
        self._answer_and_close = answer_and_close
        self._tell = tell  # print each epoch and the L4 that claimed to be active under it
        self._seen: set[tuple[int, int]] = set()
        self._epoll = select.epoll()
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(str(path))
        self._listener.listen(16)
        self._listener.setblocking(False)
        self._links: dict[int, Link] = {}
        self._phones: dict[int, tuple[socket.socket, Link, int]] = {}
        self._epoll.register(self._listener, select.EPOLLIN)

    @property
    def open(self) -> int:
        """Connections held now."""
        return len(self._phones)

    def run(self) -> None:
        """Until killed."""
        while True:
            self.turn(1.0)

    def turn(self, patience_s: float = 0.0) -> None:
        """Do everything that is ready."""
        if any(link.owes_since is not None for link in self._links.values()):
            patience_s = min(patience_s, CREDIT_DELAY_S / 2)
        for number, _ in self._epoll.poll(patience_s):
            if number == self._listener.fileno():
                self._meet()
            elif number in self._links:
                if self.taking:
                    self._take(self._links[number])
            elif number in self._phones:
                self._answer(number)
        now = time.monotonic()
        for link in list(self._links.values()):
            if link.owes_since is not None and now - link.owes_since >= CREDIT_DELAY_S:
                self.credit(link)

    def credit(self, link: Link) -> None:
        """Say what is owed."""
        if not self.crediting:
            return
        closed, link.closed = link.closed[:CLOSED_MAX], link.closed[CLOSED_MAX:]
        link.owes_since = None
        with contextlib.suppress(OSError):
            link.socket.send(encode_credit(Credit(link.taken, self.open, closed, self.draining)))

    def close(self) -> None:
        """Let go of everything, as a death would."""
        for held in [link.socket for link in self._links.values()]:
            held.close()
        for phone, _, _ in self._phones.values():
            phone.close()
        self._listener.close()
        self._epoll.close()

    def _meet(self) -> None:
        connection, _ = self._listener.accept()
        connection.setblocking(False)
        self._links[connection.fileno()] = Link(connection)
        self._epoll.register(connection, select.EPOLLIN)

    def _take(self, link: Link) -> None:
        room = socket.CMSG_SPACE(4 * RECORDS_MAX)
        try:
            data, ancillary, _, _ = link.socket.recvmsg(BATCH_BYTES_MAX, room)
        except BlockingIOError:
            return
        except OSError:
            data, ancillary = b"", []
        if not data:
            del self._links[link.socket.fileno()]
            self._epoll.unregister(link.socket)
            link.socket.close()
            return
        descriptors = array.array("i")
        for _, _, content in ancillary:
            descriptors.frombytes(content)
        first, records = decode_batch(data, len(descriptors))
        if not records:
            self.credit(link)
            return
        for descriptor, record in zip(descriptors, records, strict=True):
            phone = socket.socket(fileno=descriptor)
            phone.setblocking(False)
            self._phones[descriptor] = (phone, link, record.ticket)
            if self._answer_and_close:
                self._answer(descriptor)
            else:
                self._epoll.register(descriptor, select.EPOLLIN)
        self.records = (self.records + records)[-1000:]
        for under in {(record.epoch, record.l4_pid) for record in records} - self._seen:
            self._seen.add(under)
            if self._tell:
                print("epoch", *under, flush=True)
        link.taken = first + len(records) - 1
        if link.owes_since is None:
            link.owes_since = time.monotonic()

    def _answer(self, number: int) -> None:
        phone, link, ticket = self._phones[number]
        try:
            data = b"ok\n" if self._answer_and_close else phone.recv(65536)
            if data:
                phone.send(data)
        except OSError:
            data = b""
        if self._answer_and_close or not data:
            if not self._answer_and_close:
                # The L4's copy keeps the socket alive, and epoll would go on about it.
                self._epoll.unregister(number)
            with contextlib.suppress(OSError):
                phone.shutdown(socket.SHUT_RDWR)
            phone.close()
            del self._phones[number]
            link.closed.append(ticket)
            if link.owes_since is None:
                link.owes_since = time.monotonic()


def main() -> None:
    """Stand in until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--answer-and-close", action="store_true")
    arguments = parser.parse_args()
    worker = StandIn(arguments.path, answer_and_close=arguments.answer_and_close, tell=True)
    print("pid", os.getpid(), flush=True)
    worker.run()


if __name__ == "__main__":
    main()
