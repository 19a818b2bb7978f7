"""Every malformed request once more: over raw sockets, the real L4, TLS and a real worker, twice each.

The second time the worker knows the lines from the first, and must not be more
lenient for it.
"""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.edges import ROOT, Edge, running_edge
from tests.l7.http1.malformed_cases import CASES, OK, Case

pytestmark = pytest.mark.e2e

MINE = """
[[cluster]]
name = "mine"
endpoints = ["127.0.0.1:{port}"]
health = {{ interval-s = 3600.0 }}

[[route]]
path = "/*"
name = "mine"
cluster = "mine"
waf = "off"
limits = []

[[route]]
path = ""
name = "rest"
cluster = "mine"
waf = "off"
limits = []
"""
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"
ENTITY_MAX = 1 << 20


@contextlib.contextmanager
def service() -> Iterator[tuple[int, list[bytes]]]:
    """Answers anything with 200 once the body is here; its port, and what it was sent."""
    received: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(connection: socket.socket) -> None:
        with connection:
            connection.settimeout(5)
            data = b""
            while not _whole(data):
                more = connection.recv(65536)
                if not more:
                    return
                data += more
            received.append(data)
            connection.sendall(ANSWER)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=_quietly, args=(answer, listener.accept()[0]), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1], received
    finally:
        listener.close()


def _quietly(answer: object, connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        answer(connection)  # type: ignore[operator]


def _whole(data: bytes) -> bool:
    head, end, body = data.partition(b"\r\n\r\n")
    if not end:
        return False
    lower = head.lower()
    if b"transfer-encoding: chunked" in lower:
        return body.endswith(b"0\r\n\r\n")
    length = lower.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0]
    return len(body) >= int(length or 0)


def test_each_case_gets_its_answer_twice(tmp_path: Path) -> None:
    """As the table says, and nothing malformed is ever seen behind the edge."""
    wrong: list[str] = []
    with service() as (port, received):
        file = tmp_path / "edge.toml"
        file.write_text((ROOT / "edge.toml").read_text() + MINE.format(port=port))
        with running_edge(tmp_path / "run", {"EDGE_CONFIG": str(file), "EDGE__POP__MUMBAI__L7": "1"}) as edge:
            for case in CASES:
                for time in ("first", "second"):
                    if found := _ask(edge, case):
                        wrong.append(f"{case[0]} ({case[1]}), {time} time: {found}")

    assert not wrong, "\n".join(wrong)
    assert len(received) >= 2 * sum(expected == OK for _, _, _, expected in CASES) * 0.8
    assert not [data for data in received if b"\x00" in data or b"\r\n " in data.partition(b"\r\n\r\n")[0]]


def _ask(edge: Edge, case: Case) -> str:
    _, _, data, expected = case
    context = ssl.create_default_context(cafile=str(edge.run_dir / "ca.pem"))
    with (
        socket.create_connection(edge.address("l4-mumbai-a"), 10) as plain,
        context.wrap_socket(plain, server_hostname="i.edge.test") as phone,
    ):
        phone.settimeout(5)
        answer, ended = b"", False
        try:
            phone.sendall(data)
            answer, ended = _read(phone, until_end=expected != OK)
        except OSError as error:
            return f"{error!r} after {answer!r}"
    status = int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0
    if expected == OK:
        return "" if 200 <= status < 500 and status not in (400, 431) else f"{status}: {answer!r}"
    if status != expected:
        return f"{status} instead of {expected}"
    return "" if ended and b"\r\nconnection: close\r\n" in answer else "the connection lives on"


def _read(phone: ssl.SSLSocket, *, until_end: bool) -> tuple[bytes, bool]:
    """The last answer (behind any 100 Continue), and whether the connection has ended."""
    data = b""
    while len(data) < ENTITY_MAX:
        if data.startswith(b"HTTP/1.1 100 ") and b"\r\n\r\n" in data:
            data = data.partition(b"\r\n\r\n")[2]
        if not until_end and b"\r\n\r\n" in data:
            return data, False
        more = phone.recv(65536)
        if not more:
            return data, True
        data += more
    return data, False
