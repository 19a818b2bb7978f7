"""Bytes in bulk: a service that sends as many as asked, and phones that read them.  [I/O]

`python -m bench.stream serve`           prints its port
`python -m bench.stream worker PATH`     the same, for sockets that an L4 hands over at PATH
`python -m bench.stream read HOST:PORT CONNECTIONS MEBIBYTES`

A phone says how many bytes it wants (8 bytes, big-endian) and reads to the end.  One
thread and plain sockets on both ends, so that what stands between them shows.
"""

import array
import select
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

from edge.common.handover import BATCH_BYTES_MAX, RECORDS_MAX, Credit, decode_batch, encode_credit

CHUNK = memoryview(bytes(256 * 1024))
WISH_BYTES = 8
BACKLOG = 256
# A gigabyte alone takes a third of a second on a quiet machine, which is too short to compare.
READ_S = 1.0


class Sender:
    """Sends to each connection what it wished for."""

    def __init__(self) -> None:
        self.epoll = select.epoll()
        self._left: dict[int, tuple[socket.socket, int]] = {}

    def take(self, phone: socket.socket) -> None:
        """One more."""
        phone.setblocking(False)
        self._left[phone.fileno()] = (phone, -1)
        self.epoll.register(phone, select.EPOLLIN)

    def ready(self, descriptor: int) -> bool:
        """Go on with one; False if it is none of ours."""
        if descriptor not in self._left:
            return False
        phone, left = self._left[descriptor]
        try:
            if left < 0:
                left = int.from_bytes(phone.recv(WISH_BYTES), "big")
                self.epoll.modify(phone, select.EPOLLOUT)
            left -= phone.send(CHUNK[: min(left, len(CHUNK))])
        except BlockingIOError:
            pass
        except OSError:
            left = 0
        self._left[descriptor] = (phone, left)
        if left == 0:
            self.epoll.unregister(phone)
            with suppress(OSError):
                phone.shutdown(socket.SHUT_RDWR)  # an L4 may still hold its copy
            phone.close()
            del self._left[descriptor]
        return True


def serve() -> None:
    """Accept for ever."""
    sender = Sender()
    with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as listener:
        sender.epoll.register(listener, select.EPOLLIN)
        print(listener.getsockname()[1], flush=True)
        while True:
            for descriptor, _ in sender.epoll.poll():
                if not sender.ready(descriptor):
                    sender.take(listener.accept()[0])


def worker(path: Path) -> None:
    """Take what an L4 hands over, for ever."""
    sender = Sender()
    path.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(path))
        listener.listen()
        print("ready", flush=True)
        link, _ = listener.accept()
        sender.epoll.register(link, select.EPOLLIN)
        taken = 0
        while True:
            for descriptor, _ in sender.epoll.poll():
                if sender.ready(descriptor):
                    continue
                data, ancillary, _, _ = link.recvmsg(BATCH_BYTES_MAX, socket.CMSG_SPACE(4 * RECORDS_MAX))
                if not data:
                    return
                descriptors = array.array("i")
                for _, _, content in ancillary:
                    descriptors.frombytes(content)
                first, records = decode_batch(data, len(descriptors))
                for handed in descriptors:
                    sender.take(socket.socket(fileno=handed))
                taken = first + len(records) - 1 if records else taken
                link.send(encode_credit(Credit(taken, 0, [record.ticket for record in records])))


def read(place: tuple[str, int], connections: int, mebibytes: int) -> None:
    """Read so much over so many connections, again until `READ_S` have passed, and report."""
    print("MARK", flush=True)
    began = time.perf_counter()
    got = rounds = 0
    while not rounds or time.perf_counter() - began < READ_S:
        got += _read(place, connections, (mebibytes << 20) // connections)
        rounds += 1
    us = (time.perf_counter() - began) * 1e6
    errors = int(got != rounds * (mebibytes << 20))
    print(
        f'JSON{{"requests":{rounds * connections},"us":{us:.0f},"errors":{errors},"p50_us":0,"p90_us":0,'
        f'"p99_us":0,"bytes":{got}}}',
        flush=True,
    )


def _read(place: tuple[str, int], connections: int, wish: int) -> int:
    """How many bytes came."""
    buffer = bytearray(len(CHUNK))
    phones: dict[int, socket.socket] = {}
    got = 0
    with select.epoll() as epoll:
        for _ in range(connections):
            phone = socket.create_connection(place)
            phone.sendall(wish.to_bytes(WISH_BYTES, "big"))
            phone.setblocking(False)
            phones[phone.fileno()] = phone
            epoll.register(phone, select.EPOLLIN)
        while phones:
            for descriptor, _ in epoll.poll():
                try:
                    count = phones[descriptor].recv_into(buffer)
                except BlockingIOError:
                    continue
                except ConnectionError:
                    count = 0
                got += count
                if not count:
                    epoll.unregister(descriptor)
                    phones.pop(descriptor).close()
    return got


def main() -> None:
    """As the first argument says."""
    match sys.argv[1:]:
        case ["serve"]:
            serve()
        case ["worker", path]:
            worker(Path(path))
        case ["read", place, connections, mebibytes]:
            host, _, port = place.rpartition(":")
            read((host, int(port)), int(connections), int(mebibytes))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
