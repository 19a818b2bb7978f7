"""Phones that wrk cannot play: one order in, one report out.  [I/O]

`python -m bench.phones '{"url": "https://...", "kind": "resumed", ...}'`

* `full`, `resumed`: a new TCP connection and handshake for each request, so many at a
  time; resumed ones present the ticket of the connection before.  Each handshake is
  checked to be what it should.
* `kept`: so many open connections, of which `busy` ask at any time, in rotation.
* `held`: open, ask once, hold until stdin ends.
* `journey`: resolve, connect, ask `each` times, hang up, as a phone does.

Prints `MARK` when it is under way and `JSON{...}` at the end.  The answers' order is
that of `bench.seen`.
"""

import gc
import random
import socket
import ssl
import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec

from bench.contender import raise_descriptors_max
from bench.http_answer import is_whole, status_of
from bench.seen import percentile
from bench.turns import IN, OUT, Step, Turns
from edge.common.dns_query import build_query, parse_reply
from edge.common.errors import EdgeError

READ_BYTES = 256 * 1024
# So many handshakes at a time while connections are opened: both cores are busy then.
OPENING = 64
STALLED_S = 10.0
# One moment a second is enough to notice the end.
PATIENCE_S = 1.0


class Order(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is to be played."""

    url: str
    kind: str
    seconds: float = 0.0
    path: str = "/feed"
    host: str = "i.edge.test"
    headers: dict[str, str] = {}
    cookies: list[str] = []  # of so many people, in rotation
    connections: int = 8
    busy: int = 0  # 0: all of them
    each: int = 10
    dns: str = ""  # "host:port" of the name server


class Lost(Exception):
    """The connection ended, or was refused, before the answer was whole."""


class Phones:
    """All of them, and what they saw."""

    def __init__(self, order: Order) -> None:
        place = urlsplit(order.url)
        self._order = order
        self._place = (str(place.hostname), place.port or 443)
        self._turns = Turns()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname, self._context.verify_mode = False, ssl.CERT_NONE
        self._idle: deque[ssl.SSLSocket] = deque()
        self._session: ssl.SSLSession | None = None
        self._until = 0.0
        self._latencies_s: list[float] = []
        self._counts: Counter[str] = Counter()
        cookies = order.cookies or [""]
        self._requests = deque(self._request(cookie) for cookie in cookies)

    def play(self) -> None:
        """Carry out the order, then report."""
        match self._order.kind:
            case "full" | "resumed":
                self._prime()
                self._at_once(self._order.connections, self._fresh)
            case "journey":
                self._at_once(self._order.connections, self._journey)
            case "kept":
                self._open_all()
                self._at_once(self._order.busy or self._order.connections, self._rotate)
            case "held":
                self._open_all()
                print("MARK", flush=True)
                sys.stdin.read()
            case other:
                raise SystemExit(f"no phone plays {other!r}")

    # -- the kinds --------------------------------------------------------------------

    def _at_once(self, count: int, kind: Callable[[], Step[None]]) -> None:
        began = self._mark()
        for _ in range(count):
            self._turns.start(kind())
        while self._turns.under_way:
            self._turns.turn(PATIENCE_S)
            if time.perf_counter() > self._until + STALLED_S:
                self._counts["errors"] += self._turns.under_way
                break
        self._report(time.perf_counter() - began)

    def _prime(self) -> None:
        """One connection that brings the first ticket."""
        self._until = 0.0

        def once() -> Step[None]:
            phone = yield from self._connect(None)
            yield from self._ask(phone, self._requests[0])
            self._session = phone.session
            self._hang_up(phone)

        self._turns.start(once())
        while self._turns.under_way:
            self._turns.turn(PATIENCE_S)

    def _fresh(self) -> Step[None]:
        resumes = self._order.kind == "resumed"
        session = self._session
        while time.perf_counter() < self._until:
            began = time.perf_counter()
            try:
                phone = yield from self._connect(session if resumes else None)
                yield from self._ask(phone, self._next_request())
            except (OSError, Lost):
                self._counts["errors"] += 1
                continue
            self._latencies_s.append(time.perf_counter() - began)
            self._counts["resumed" if phone.session_reused else "full"] += 1
            self._counts["errors"] += bool(phone.session_reused) != resumes
            session = phone.session  # a ticket is for one use (RFC 8446 appendix C.4)
            self._hang_up(phone)

    def _rotate(self) -> Step[None]:
        while time.perf_counter() < self._until and self._idle:
            phone = self._idle.popleft()
            began = time.perf_counter()
            try:
                yield from self._ask(phone, self._next_request())
            except (OSError, Lost):
                self._counts["errors"] += 1
                self._hang_up(phone)
                continue
            self._latencies_s.append(time.perf_counter() - began)
            self._idle.append(phone)

    def _journey(self) -> Step[None]:
        while time.perf_counter() < self._until:
            try:
                began = time.perf_counter()
                place = yield from self._resolve()
                phone = yield from self._connect(None, place)
                request = self._next_request()
                for _ in range(self._order.each):
                    yield from self._ask(phone, request)
                    # The first waits for DNS, TCP and TLS too, as a person does.
                    self._latencies_s.append(time.perf_counter() - began)
                    began = time.perf_counter()
                self._hang_up(phone)
            except (OSError, Lost, EdgeError):
                self._counts["errors"] += 1

    # -- what a phone does --------------------------------------------------------------

    def _open_all(self) -> None:
        self._until = time.perf_counter() + 10 * STALLED_S
        left = self._order.connections

        def some() -> Step[None]:
            nonlocal left
            while left > 0:
                left -= 1
                phone = yield from self._connect(None)
                yield from self._ask(phone, self._next_request())
                self._idle.append(phone)

        for _ in range(min(OPENING, left)):
            self._turns.start(some())
        while self._turns.under_way and time.perf_counter() < self._until:
            self._turns.turn(PATIENCE_S)
        if len(self._idle) != self._order.connections:
            raise SystemExit(f"only {len(self._idle)} of {self._order.connections} connections came about")

    def _resolve(self) -> Step[tuple[str, int]]:
        if not self._order.dns:
            return self._place
        host, _, port = self._order.dns.rpartition(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.setblocking(False)
            udp.connect((host, int(port)))
            number = random.randrange(1 << 16)
            udp.send(build_query(number, self._order.host))
            yield udp.fileno(), IN
            reply = parse_reply(udp.recv(4096), number, self._order.host)
            self._turns.forget(udp.fileno())
        if not reply.addresses:
            raise Lost(reply.status)
        return reply.addresses[0], self._place[1]

    def _connect(
        self, session: ssl.SSLSession | None, place: tuple[str, int] | None = None
    ) -> Step[ssl.SSLSocket]:
        plain = socket.socket()
        plain.setblocking(False)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.connect_ex(place or self._place)
        yield plain.fileno(), OUT
        if error := plain.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._hang_up(plain)
            raise OSError(error, "not connected")
        try:
            phone = self._context.wrap_socket(
                plain, server_hostname=self._order.host, do_handshake_on_connect=False, session=session
            )
        except OSError:
            self._hang_up(plain)
            raise
        while True:
            try:
                phone.do_handshake()
                return phone
            except ssl.SSLWantReadError:
                yield phone.fileno(), IN
            except ssl.SSLWantWriteError:
                yield phone.fileno(), OUT
            except OSError:
                self._hang_up(phone)
                raise

    def _ask(self, phone: ssl.SSLSocket, request: bytes) -> Step[None]:
        phone.send(request)
        answer = bytearray()
        while not answer or not is_whole(answer):
            try:
                data = phone.recv(READ_BYTES)
            except ssl.SSLWantReadError:
                yield phone.fileno(), IN
                continue
            if not data:
                raise Lost("the answer broke off")
            answer += data
        self._counts["bytes"] += len(answer)
        if not 200 <= status_of(answer) < 400:
            raise Lost(f"status {status_of(answer)}")

    def _hang_up(self, phone: socket.socket) -> None:
        self._turns.forget(phone.fileno())
        phone.close()

    def _request(self, cookie: str) -> bytes:
        headers = {"Host": self._order.host, "User-Agent": "bench/1", "Accept": "*/*"} | self._order.headers
        if cookie:
            headers["Cookie"] = cookie
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"GET {self._order.path} HTTP/1.1\r\n{lines}\r\n".encode()

    def _next_request(self) -> bytes:
        self._requests.rotate(-1)
        return self._requests[0]

    # -- the report -----------------------------------------------------------------------

    def _mark(self) -> float:
        # A collection among a million live objects would be felt by every phone.
        gc.collect()
        gc.freeze()
        gc.disable()
        print("MARK", flush=True)
        began = time.perf_counter()
        self._until = began + self._order.seconds
        return began

    def _report(self, seconds: float) -> None:
        taken = sorted(self._latencies_s)
        told = {
            "requests": len(taken),
            "us": seconds * 1e6,
            "errors": self._counts["errors"],
            "p50_us": percentile(taken, 50) * 1e6,
            "p90_us": percentile(taken, 90) * 1e6,
            "p99_us": percentile(taken, 99) * 1e6,
            "bytes": self._counts["bytes"],
            "extra": {key: self._counts[key] for key in ("full", "resumed") if self._counts[key]},
        }
        print(f"JSON{msgspec.json.encode(told).decode()}", flush=True)


def main() -> None:
    """Play what the first argument orders."""
    raise_descriptors_max()
    Phones(msgspec.json.decode(sys.argv[1], type=Order)).play()


if __name__ == "__main__":
    main()
