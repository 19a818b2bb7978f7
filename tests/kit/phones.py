"""A phone for tests: plain blocking HTTPS against one address, verified by the edge's CA."""

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HOST = "i.edge.test"


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]  # lower-case names
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Phone:
    """One kept-alive connection; opens a new one when the edge closed the old."""

    def __init__(self, address: tuple[str, int], ca: Path, source: str = "") -> None:
        self._address = address
        self._source = (source, 0) if source else None
        self._context = ssl.create_default_context(cafile=str(ca))
        self._connection: http.client.HTTPConnection | None = None
        self.cookie = ""

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """One request, sent once.  Raises `OSError` or `http.client.HTTPException`."""
        told = {"Host": HOST, "User-Agent": "Phone/1.0", "Accept": "*/*"} | dict(headers or {})
        if self.cookie:
            told["Cookie"] = self.cookie
        connection = self._connection or self._connect()
        self._connection = connection
        try:
            connection.request(method, path, body, told)
            answer = connection.getresponse()
            content = answer.read()
        except BaseException:
            self.hang_up()
            raise
        if answer.will_close:
            self.hang_up()
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, content)

    def get(self, path: str, **headers: str) -> Reply:
        """GET `path`."""
        return self.ask("GET", path, headers=headers)

    def log_in(self, name: str = "ada") -> Reply:
        """As a person; keeps the cookie."""
        body = json.dumps({"username": name, "password": f"edge-{name}"}).encode()
        reply = self.ask("POST", "/api/v1/accounts/login/", body, {"Content-Type": "application/json"})
        assert reply.status == 200, reply.body
        self.cookie = reply.headers["set-cookie"].split(";")[0]
        return reply

    def hang_up(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> http.client.HTTPConnection:
        plain = socket.create_connection(self._address, 10, self._source)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = http.client.HTTPConnection(HOST)
        connection.sock = self._context.wrap_socket(plain, server_hostname=HOST)
        return connection


@dataclass
class Crowd:
    """Phones that keep asking from threads until the block is left; counts what they saw."""

    address: tuple[str, int]
    ca: Path
    path: str = "/api/v1/feed/timeline/"
    phones: int = 8
    pause_s: float = 0.02
    new_connection_each_time: bool = False
    answered: int = 0
    failures: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> "Crowd":
        names = ("ada", "grace", "linus", "radia", "vint", "sally")
        for number in range(self.phones):
            phone = Phone(self.address, self.ca)
            phone.log_in(names[number % len(names)])
            thread = threading.Thread(target=self._browse, args=(phone,), daemon=True)
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(15)

    def _browse(self, phone: Phone) -> None:
        while not self._stop.is_set():
            if self.new_connection_each_time:
                phone.hang_up()
            try:
                reply = phone.get(self.path)
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
            else:
                self.answered += 1
                if reply.status != 200:
                    self.failures.append(f"{reply.status} {reply.body[:200]!r}")
            time.sleep(self.pause_s)
