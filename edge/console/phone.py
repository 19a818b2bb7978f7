"""A phone of the console's own, so that a page can load a feed through the edge over HTTPS.  [I/O]

The browser cannot do it itself: it does not know our certificate authority, and
a page that may connect elsewhere would need a looser policy.  So the console
asks as `edge trace` does (DNS, TCP, TLS, HTTP) and hands on the answer, with the
waterfall of how it came.
"""

import time
from pathlib import Path

import msgspec
import orjson
import trio

from edge.common.config import Config
from edge.common.errors import LinkLost
from edge.common.places import find_city
from edge.common.process import Process
from edge.common.spans import Span, from_wire
from edge.phone.call import Call, Phone, Question
from edge.phone.connection import trusting
from edge.phone.memory import cookie_of
from edge.phone.resolve import Resolver

LOGIN_PATH = "/api/v1/accounts/login/"
# Two equal answers in a row mean that nobody has more to say.
GATHER_STEP_S = 0.02
GATHER_TIMEOUT_S = 0.6
PHONES_MAX = 8  # cities that keep a connection
OWN_TRACES_MAX = 200


class ConsolePhone:
    """One phone per city, and who is logged in on it."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._phones: dict[str, Phone] = {}
        self._cookies: dict[str, tuple[str, float]] = {}
        self._own: dict[str, list[Span]] = {}
        self._lock = trio.Lock()  # a phone has one connection, and one thing at a time on it

    async def get(self, path: str, city: str, account: str, *, cold: bool) -> Call:
        """Ask for `path` as `account` ("" for nobody) in `city`.  Raises `PhoneFailed`."""
        async with self._lock:
            phone = self._phone(city)
            if cold:
                phone.hang_up()
            cookie = await self._cookie(phone, account)
            headers = (("cookie", cookie),) if cookie else ()
            call = await phone.call(self._question(path, headers=headers))
            if call.status == 401 and cookie:
                del self._cookies[account]
            self._remember(call)
            return call

    async def spans(self, trace_id: str) -> list[Span]:
        """Everybody's spans of that trace, ours included."""
        found = {span.span_id: span for span in self._own.get(trace_id, ())}
        before = -1
        with trio.move_on_after(GATHER_TIMEOUT_S):
            while len(found) != before:
                before = len(found)
                try:
                    answers = await self._process.link.ask("trace", trace_id=trace_id, timeout_s=0.4)
                except LinkLost:
                    break
                for value in answers.values():
                    found |= {span.span_id: span for span in _spans(value)}
                await trio.sleep(GATHER_STEP_S)
        return list(found.values())

    def close(self) -> None:
        """Hang up everywhere."""
        for phone in self._phones.values():
            phone.hang_up()

    def _phone(self, city: str) -> Phone:
        phone = self._phones.get(city)
        if phone is None:
            while len(self._phones) >= PHONES_MAX:
                self._phones.pop(next(iter(self._phones))).hang_up()
            found = find_city(city)
            resolver = Resolver(
                name_server(self._process.run_dir, self._process.config), found.ipv4 if found else ""
            )
            context = trusting(self._process.run_dir / "ca.pem")
            phone = Phone(f"phone-{city}", resolver, context, self._process.pid, self._port_of)
            self._phones[city] = phone
        return phone

    async def _cookie(self, phone: Phone, account: str) -> str:
        if not account:
            return ""
        known = self._cookies.get(account)
        if known is not None and known[1] > time.time():
            return known[0]
        body = orjson.dumps({"username": account, "password": f"edge-{account}"})
        kind = ("content-type", "application/json")
        call = await phone.call(self._question(LOGIN_PATH, "POST", (kind,), body))
        for name, value in call.headers:
            cookie = (
                cookie_of(value, self._process.config.auth.cookie, time.time())
                if name == "set-cookie"
                else None
            )
            if cookie is not None:
                self._cookies[account] = cookie
                return cookie[0]
        return ""

    def _question(
        self, path: str, method: str = "GET", headers: tuple[tuple[str, str], ...] = (), body: bytes = b""
    ) -> Question:
        config = self._process.config
        return Question(
            host=config.domain,
            port=config.https_port or 443,
            target=path,
            method=method,
            headers=headers,
            body=body,
        )

    def _port_of(self, address: str, port: int) -> int:
        for places in listening(self._process.run_dir).values():
            host, _, real = places.get("https", "").rpartition(":")
            if host.strip("[]") == address:
                return int(real)
        return port

    def _remember(self, call: Call) -> None:
        while len(self._own) >= OWN_TRACES_MAX:
            del self._own[next(iter(self._own))]
        self._own[call.trace_id] = call.spans


def listening(run_dir: Path) -> dict[str, dict[str, str]]:
    """Where each process really listens, as the supervisors wrote it down."""
    found: dict[str, dict[str, str]] = {}
    for file in sorted((run_dir / "listen").glob("*.json")):
        found |= orjson.loads(file.read_bytes())
    return found


def name_server(run_dir: Path, config: Config) -> tuple[str, int]:
    """Where our DNS really listens."""
    places = (found["udp"] for found in listening(run_dir).values() if "udp" in found)
    host, _, port = next(places, config.dns.listen).rpartition(":")
    return host.strip("[]"), int(port)


def _spans(value: object) -> list[Span]:
    try:
        return from_wire(value) if value else []
    except msgspec.ValidationError:
        return []  # a process of another version; its spans are missing, not everybody's
