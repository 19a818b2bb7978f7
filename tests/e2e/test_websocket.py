"""Two phones chat through L4, TLS, L7 and dm, and are told when their worker leaves."""

import base64
import json
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from edge.common.websocket import CLOSE, GOING_AWAY, TEXT, Decoder, Message, encode
from tests.kit.edges import Edge, wait_for
from tests.kit.phones import HOST, Phone

pytestmark = pytest.mark.e2e

STREAM = "/api/v1/direct_v2/stream/"
SEND = "/api/v1/direct_v2/threads/broadcast/text/"


class Chat:
    """One phone's open WebSocket."""

    def __init__(self, sock: ssl.SSLSocket, early: bytes) -> None:
        self._sock = sock
        self._decoder = Decoder(64 * 1024, from_client=False)
        self._ready = self._decoder.feed(early)

    def say(self, value: object) -> None:
        """Send one JSON text."""
        self._sock.sendall(encode(TEXT, json.dumps(value).encode(), os.urandom(4)))

    def hear(self, opcode: int) -> Message:
        """The next message of this kind; others (pings, other news) are passed over."""
        while True:
            while self._ready:
                message = self._ready.pop(0)
                if message.opcode == opcode:
                    return message
            data = self._sock.recv(65536)
            assert data, "the connection ended without a word"
            self._ready = self._decoder.feed(data)


@contextmanager
def chat(edge: Edge, cookie: str) -> Iterator[Chat]:
    context = ssl.create_default_context(cafile=str(edge.run_dir / "ca.pem"))
    plain = socket.create_connection(edge.address("l4-mumbai-a"), 10)
    with context.wrap_socket(plain, server_hostname=HOST) as sock:
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {STREAM} HTTP/1.1", f"Host: {HOST}", f"Cookie: {cookie}", "User-Agent: Phone/1.0"]
        lines += ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
        sock.sendall("\r\n".join([*lines, f"Sec-WebSocket-Key: {key}", "", ""]).encode())
        data = b""
        while b"\r\n\r\n" not in data:
            more = sock.recv(65536)
            assert more, data
            data += more
        head, _, early = data.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        yield Chat(sock, early)


def log_in(edge: Edge, name: str) -> Phone:
    phone = Phone(edge.address("l4-mumbai-a"), edge.run_dir / "ca.pem")
    phone.log_in(name)
    return phone


def test_two_phones_chat_and_a_drain_says_goodbye(edge: Edge) -> None:
    """1001 sends a phone to another worker at once; a cut connection would leave it waiting."""
    ada, grace = log_in(edge, "ada"), log_in(edge, "grace")
    with chat(edge, ada.cookie) as of_ada, chat(edge, grace.cookie) as of_grace:
        opened = ada.ask(
            "POST",
            SEND,
            json.dumps({"recipient_users": "2", "text": "hello grace"}).encode(),
            {"Content-Type": "application/json"},
        )
        heard = json.loads(of_grace.hear(TEXT).data)
        thread = str(heard["thread_id"])
        of_grace.say({"type": "send", "thread_id": thread, "text": "hello ada"})
        answers = [json.loads(of_ada.hear(TEXT).data)]
        while "hello ada" not in json.dumps(answers[-1]):
            answers.append(json.loads(of_ada.hear(TEXT).data))

        workers = [name for name in edge.live() if name.startswith("l7-mumbai")]
        before = edge.live()
        done = edge.run("deploy", "l7", timeout_s=60)
        goodbyes = [one.hear(CLOSE).close_code for one in (of_ada, of_grace)]

    assert opened.status == 201
    assert "hello grace" in json.dumps(heard)
    assert done.returncode == 0, done.stderr
    assert goodbyes == [GOING_AWAY, GOING_AWAY]
    wait_for(lambda: all(edge.live().get(name, before[name]) != before[name] for name in workers))
