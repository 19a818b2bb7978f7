"""What the kernel is asked for: counted, not timed, so no noise can fail it and no slow way can slip in.

A bound is what was counted when it was written, as if every race had been lost (a phone
that speaks again before the worker is back at its epoll costs two registrations and
two looks), and a quarter of a call for what happens by the clock meanwhile (log
batches, beats, health checks).  Whoever saves a call lowers its bound.
"""

import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import jwt
import pytest

from edge.supervise.keys import ensure_keys
from tests.kit.l7_worker import full_config
from tests.kit.system_calls import can_trace, counted

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.tool,
    pytest.mark.skipif(not can_trace(), reason="strace is not there, or may not trace"),
]
ROOT = Path(__file__).parents[2]
TIMELINE = b"/api/v1/feed/timeline/"
UNITS = 500
BY_THE_CLOCK = 0.25
READS = ("read", "recvfrom", "recvmsg")
WRITES = ("write", "sendto", "sendmsg")
WAITS = ("epoll_wait", "epoll_pwait", "poll", "ppoll", "select", "pselect6")
REGISTRATIONS = ("epoll_ctl",)
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: public, max-age=600\r\n"
    b"Content-Length: 600\r\n\r\n" + b"x" * 600
)


def test_a_hot_request_costs_three_reads_and_two_writes(tmp_path: Path) -> None:
    """Two of the reads are one TLS record, whose head OpenSSL reads first; everything is on."""
    with _worker(tmp_path) as worker:
        calls = worker.calls_each(lambda number: (TIMELINE, b""))

    _assert_at_most(calls, reads=3, writes=2, waits=6, registrations=2)


def test_a_request_that_was_never_seen_costs_no_call_more(tmp_path: Path) -> None:
    """A new query, cookie and trace are the interpreter's work; the firewall looks once at its budget."""

    def cold(number: int) -> tuple[bytes, bytes]:
        lines = b"; visit=%d\r\ntraceparent: 00-%032x-%016x-01" % (number, number, number)
        return b"%s?page=%d" % (TIMELINE, number), lines

    with _worker(tmp_path) as worker:
        calls = worker.calls_each(cold)

    _assert_at_most(calls, reads=3, writes=2, waits=6, registrations=2, others=1)


def test_a_hit_in_the_cache_costs_two_reads_and_one_write(tmp_path: Path) -> None:
    """Nobody but the phone is spoken to."""
    with _worker(tmp_path) as worker:
        calls = worker.calls_each(lambda number: (b"/cached/small", b""))

    _assert_at_most(calls, reads=2, writes=1, waits=4, registrations=2)


def test_a_new_connection_costs_what_tls_asks_for(tmp_path: Path) -> None:
    """Taken over, full handshake, one request, closed; the toy L4 in the same process is counted too."""
    with _worker(tmp_path) as worker:
        calls = worker.calls_each_connection()

    _assert_at_most(calls, reads=14, writes=7, waits=16, registrations=9, others=18)


def test_a_connection_through_l4_costs_few_calls(tmp_path: Path) -> None:
    """Accept, one message to the worker, close, and a share of the credit that comes back."""
    worker = [sys.executable, "-m", "tests.kit.worker_stand_in", str(tmp_path / "l7" / "l7-mumbai-1.sock")]
    l4 = [sys.executable, "-m", "tests.kit.l4_process", str(tmp_path), "--members", "1", "--workers", "1"]
    with _started([*worker, "--answer-and-close"]), _started(l4) as process:
        assert process.stdout is not None, "asked for"
        told = json.loads(process.stdout.readline())
        place = (told["host"], told["port"])
        _call(place, 50)
        with counted(told["pids"][0], tmp_path) as calls:
            _call(place, UNITS)

    each = Counter({name: count / UNITS for name, count in calls.items()})
    assert each["sendmsg"] <= 1 + BY_THE_CLOCK, each
    assert each["close"] <= 1 + BY_THE_CLOCK, each
    assert each["accept4"] <= 2 + BY_THE_CLOCK, each  # the second says that nobody else waits
    _assert_at_most(calls, reads=1, writes=1, waits=2, registrations=1, others=3)


class _Worker:
    """An L7 worker with its whole pipeline, and phones for it."""

    def __init__(self, pid: int, port: int, folder: Path) -> None:
        self._pid, self._port, self._folder = pid, port, folder
        self._context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        self._cookie = _session(folder)

    @contextmanager
    def phone(self) -> Iterator[ssl.SSLSocket]:
        """One more, connected."""
        with socket.create_connection(("127.0.0.1", self._port), 10) as plain:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._context.wrap_socket(plain, server_hostname="i.edge.test") as phone:
                yield phone

    def ask(self, phone: ssl.SSLSocket, target: bytes, lines: bytes = b"") -> None:
        """A request with our session, and its whole answer."""
        told = (target, self._cookie, lines)
        phone.sendall(b"GET %s HTTP/1.1\r\nHost: i.edge.test\r\nCookie: edge_session=%s%s\r\n\r\n" % told)
        answer = b""
        while not answer.endswith(b"x" * 600):
            data = phone.recv(65536)
            assert data, answer
            answer += data
        assert answer.startswith(b"HTTP/1.1 200"), answer[:200]

    def calls_each(self, request: Callable[[int], tuple[bytes, bytes]]) -> Counter[str]:
        """Calls a request, by kind, on one connection; `request(number)` is target and further lines."""
        with self.phone() as phone:
            for number in range(50):
                self.ask(phone, *request(number))
            with counted(self._pid, self._folder) as calls:
                for number in range(50, 50 + UNITS):
                    self.ask(phone, *request(number))
        return calls

    def calls_each_connection(self) -> Counter[str]:
        """The same for connections of one request each."""
        for _ in range(10):
            self._once()
        with counted(self._pid, self._folder) as calls:
            for _ in range(UNITS):
                self._once()
        return calls

    def _once(self) -> None:
        with self.phone() as phone:
            self.ask(phone, TIMELINE)


def _assert_at_most(
    calls: Counter[str], *, reads: int, writes: int, waits: int, registrations: int, others: int = 0
) -> None:
    kinds = {"reads": READS, "writes": WRITES, "waits": WAITS, "registrations": REGISTRATIONS}
    left = Counter(calls)
    each = {kind: sum(left.pop(name, 0) for name in names) / UNITS for kind, names in kinds.items()}
    assert each["reads"] <= reads + BY_THE_CLOCK, calls
    assert each["writes"] <= writes + BY_THE_CLOCK, calls
    assert each["waits"] <= waits + BY_THE_CLOCK, calls
    assert each["registrations"] <= registrations + BY_THE_CLOCK, calls
    assert left.total() / UNITS <= others + BY_THE_CLOCK, calls


@contextmanager
def _worker(folder: Path) -> Iterator[_Worker]:
    with _service() as port:
        ensure_keys(folder, full_config(f"127.0.0.1:{port}"))
        command = [sys.executable, "-m", "tests.kit.l7_worker", str(folder), f"127.0.0.1:{port}", "--full"]
        with _started(command) as process:
            assert process.stdout is not None, "asked for"
            told = json.loads(process.stdout.readline())
            yield _Worker(told["pid"], told["https"], folder)


@contextmanager
def _started(command: list[str]) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def _service() -> Iterator[int]:
    """Keeps connections alive and answers everything alike."""

    def serve(caller: socket.socket) -> None:
        with caller, suppress(OSError):
            while caller.recv(65536):
                caller.sendall(ANSWER)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def _call(place: tuple[str, int], count: int) -> None:
    """So many connections, one after the other, each answered."""
    for _ in range(count):
        with socket.create_connection(place, 10) as phone:
            assert phone.recv(16) == b"ok\n"


def _session(folder: Path) -> bytes:
    now = int(time.time())
    claims = {"iss": "edge-login", "aud": "edge", "sub": "1", "name": "ada", "iat": now, "exp": now + 86_400}
    key = (folder / "keys" / "session-1.pem").read_bytes()
    return jwt.encode(claims | {"jti": "test"}, key, algorithm="EdDSA", headers={"kid": "1"}).encode()
