"""Ask our name server as a phone's stub resolver would.  [I/O]

UDP with three tries, TCP where the reply is cut short.  Every question is
counted by Locust as a request of its own ("DNS"), because for a person the wait
for a name is as long as any other.
"""

import random
import time
from collections.abc import Callable

import gevent.socket as socket

from edge.common.dns_query import NoAnswer, Reply, build_query, parse_reply
from loadtest.address_book import AddressBook

# glibc waits five seconds for each try; on one machine a second is already an outage.
TRY_TIMEOUT_S = 1.0
TRIES = 3
PACKET_BYTES_MAX = 4096

Report = Callable[[float, Exception | None], None]


class NameNotFound(OSError):
    """No address to call; an OSError, so that it counts as a connection that failed."""


class Resolver:
    """One phone's way from the name to addresses."""

    def __init__(self, server: tuple[str, int], name: str, subnet: str, report: Report) -> None:
        """`report(took_ms, error)` hears of every look-up that left the phone."""
        self.book = AddressBook()
        self._server = server
        self._name = name
        self._subnet = subnet
        self._report = report

    def addresses(self) -> tuple[str, ...]:
        """Where to call, best first.  Raises `NameNotFound`."""
        fresh = self.book.fresh(time.monotonic())
        if fresh:
            return fresh
        started = time.monotonic()
        try:
            reply = self._look_up()
        except NoAnswer as error:
            self._report((time.monotonic() - started) * 1000, error)
            stale = self.book.stale(time.monotonic())
            if stale:
                return stale
            raise NameNotFound(f"{self._name}: {error}") from error
        self._report((time.monotonic() - started) * 1000, None)
        self.book.learn(reply.addresses, reply.ttl_s, time.monotonic())
        # A TTL of zero is for one use: this one.
        return self.book.fresh(time.monotonic()) or self.book.stale(time.monotonic())

    def _look_up(self) -> Reply:
        trouble = "no reply"
        for _ in range(TRIES):
            number = random.randrange(1 << 16)
            query = build_query(number, self._name, subnet=self._subnet)
            try:
                reply = parse_reply(self._over_udp(query), number, self._name)
                if reply.truncated:
                    reply = parse_reply(self._over_tcp(query), number, self._name)
            except (OSError, NoAnswer) as error:
                trouble = str(error) or type(error).__name__
                continue
            if reply.addresses:
                return reply
            trouble = f"{reply.status} without an address"
        raise NoAnswer(trouble)

    def _over_udp(self, query: bytes) -> bytes:
        with socket.socket(_family(self._server), socket.SOCK_DGRAM) as asking:
            asking.settimeout(TRY_TIMEOUT_S)
            asking.connect(self._server)
            asking.send(query)
            return bytes(asking.recv(PACKET_BYTES_MAX))

    def _over_tcp(self, query: bytes) -> bytes:
        with socket.create_connection(self._server, TRY_TIMEOUT_S) as asking:
            asking.sendall(len(query).to_bytes(2, "big") + query)
            size = int.from_bytes(_exactly(asking, 2), "big")
            return _exactly(asking, size)


def _exactly(asking: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        chunk = asking.recv(size - len(received))
        if not chunk:
            raise ConnectionResetError("the name server hung up")
        received += chunk
    return received


def _family(server: tuple[str, int]) -> int:
    return int(socket.AF_INET6 if ":" in server[0] else socket.AF_INET)
