"""A phone for the command line: found on this machine's edge, logged in, its traces gathered.  [I/O]

Shared by every word that makes requests.  The edge's processes keep their spans
to themselves until asked, so a trace is complete a moment after the answer: we
ask until the spans stop coming.
"""

import os
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import trio

from edge.cli.config import config_path
from edge.cli.hub import ask, run_dir_from_environment
from edge.cli.operate import listening
from edge.common.config import Config
from edge.common.config_file import load
from edge.common.errors import ConfigError, LinkLost
from edge.common.places import find_city
from edge.common.spans import Span, from_wire
from edge.phone.call import Call, Header, Phone, Question
from edge.phone.connection import PhoneFailed, trusting
from edge.phone.memory import Memory, cookie_of
from edge.phone.resolve import Resolver

LOGIN_PATH = "/api/v1/accounts/login/"
# Spans come in when their work ends; a service writes its own within a millisecond of
# answering.  Two equal answers in a row mean that nobody has more to say.
GATHER_STEP_S = 0.02
GATHER_TIMEOUT_S = 1.0
_ACCOUNT = re.compile(r"[a-z0-9._-]{1,64}\Z")
NOBODY = ("", "nobody")


class Surroundings:
    """This machine's edge, as its files describe it.  Raises `ConfigError`."""

    def __init__(self) -> None:
        self.run_dir: Path = run_dir_from_environment()
        self.config: Config = load(config_path())
        self.memory = Memory(self.run_dir)
        self.away = ""  # why the edge could not be asked, once that happened
        self._listening = listening(self.run_dir)

    def name_server(self) -> tuple[str, int]:
        """Where our DNS really listens."""
        found = (places["udp"] for places in self._listening.values() if "udp" in places)
        host, _, port = next(found, self.config.dns.listen).rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def https_port(self) -> int:
        """The port in a URL of this edge: where it listens, which another terminal may have chosen."""
        real = {
            places["https"].rpartition(":")[2] for places in self._listening.values() if "https" in places
        }
        # On free ports every POP has one of its own, and a URL none.
        return int(real.pop()) if len(real) == 1 else self.config.https_port or 443

    def port_of(self, address: str, port: int) -> int:
        """Where the POP at `address` really takes TLS, for the port of a URL."""
        if port not in (self.https_port, self.config.https_port, 443):
            return port
        for places in self._listening.values():
            host, _, real = places.get("https", "").rpartition(":")
            if host.strip("[]") == address:
                return int(real)
        return port

    def question(self, target: str, method: str, headers: list[str], data: str | None) -> Question:
        """What to ask, from a path or a URL.  Raises `ConfigError` for what cannot be asked."""
        url = urlsplit(target if "://" in target else f"https://{self.config.domain}{_path(target)}")
        if url.scheme != "https" or not url.hostname:
            raise ConfigError([f"{target}: the phone speaks https to a host name, or takes a path"])
        path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        body = (data or "").encode()
        pairs = [_header(line) for line in headers]
        if body and not any(name == "content-type" for name, _ in pairs):
            is_json = body.lstrip()[:1] in (b"{", b"[")
            kind = "application/json" if is_json else "application/x-www-form-urlencoded"
            pairs.append(("content-type", kind))
        return Question(
            host=url.hostname,
            port=url.port or self.https_port,
            target=path,
            method=method.upper() or ("POST" if data is not None else "GET"),
            headers=tuple(pairs),
            body=body,
        )

    def phone(self, city: str) -> Phone:
        """A phone in `city`, a name or a network.  Raises `PhoneFailed`, `ConfigError`."""
        resolver = Resolver(self.name_server(), subnet_of(city))
        context = trusting(self.run_dir / "ca.pem")
        return Phone(f"phone-{city}", resolver, context, os.getpid(), self.port_of)

    async def cookie(self, phone: Phone, account: str) -> str:
        """The session cookie of `account`, logging in if none is remembered.  Raises `PhoneFailed`."""
        if account in NOBODY:
            return ""
        if not _ACCOUNT.match(account):
            raise ConfigError([f'--as: "{account}" is no account (such as ada)'])
        remembered = self.memory.session(account, time.time())
        return remembered or await self._log_in(phone, account)

    async def _log_in(self, phone: Phone, account: str) -> str:
        body = msgspec.json.encode({"username": account, "password": f"edge-{account}"})
        kind = ("content-type", "application/json")
        question = Question(
            host=self.config.domain,
            port=self.https_port,
            target=LOGIN_PATH,
            method="POST",
            headers=(kind,),
            body=body,
        )
        call = await phone.call(question)
        phone.hang_up()
        if call.failed:
            raise PhoneFailed("login", call.failed)
        for name, value in call.headers:
            found = cookie_of(value, self.config.auth.cookie, time.time()) if name == "set-cookie" else None
            if found is not None:
                self.memory.keep_session(account, *found)
                return found[0]
        said = call.body[:200].decode(errors="replace")
        raise PhoneFailed("login", f"{account} was not let in: {call.status} {said}")

    async def gather(self, trace_id: str, own: list[Span]) -> list[Span]:
        """Every process's spans of that trace, with `own`; only these where the hub is away."""
        deadline = trio.current_time() + GATHER_TIMEOUT_S
        found: dict[str, Span] = {span.span_id: span for span in own}
        before = -1
        while trio.current_time() < deadline:
            try:
                answers = await trio.to_thread.run_sync(self._ask_all, trace_id)
            except LinkLost as lost:
                self.away = str(lost)
                break
            found |= {span.span_id: span for spans in answers for span in spans}
            if len(found) == before and before > len(own):
                break
            before = len(found)
            await trio.sleep(GATHER_STEP_S)
        return list(found.values())

    def ask(self, topic: str, **args: Any) -> dict[str, Any]:
        """Everybody's answers by process name.  Raises `LinkLost`."""
        answers: dict[str, Any] = ask(self.run_dir, topic, **args)
        return answers

    def monotonic_ns(self) -> int:
        """The clock of every span."""
        return time.monotonic_ns()

    def _ask_all(self, trace_id: str) -> list[list[Span]]:
        answers = ask(self.run_dir, "trace", trace_id=trace_id)
        return [_spans(value) for value in answers.values()]


def subnet_of(city: str) -> str:
    """The network a phone in `city` is in; a network stands for itself.  Raises `ConfigError`."""
    if not city:
        return ""
    found = find_city(city)
    if found is not None:
        return found.ipv4
    if "/" in city or ":" in city or city.replace(".", "").isdigit():
        return city
    raise ConfigError([f'--from: no city is called "{city}" (try jaipur, london, singapore, or a network)'])


def with_cookie(question: Question, cookie: str) -> Question:
    """The same question from somebody who is logged in."""
    return Question(
        host=question.host,
        port=question.port,
        target=question.target,
        method=question.method,
        headers=(*question.headers, ("cookie", cookie)) if cookie else question.headers,
        body=question.body,
    )


def rejected(call: Call) -> bool:
    """Did the edge say that it does not know who this is?"""
    return call.status == 401


def _spans(value: object) -> list[Span]:
    try:
        return from_wire(value) if value else []
    except msgspec.ValidationError:
        return []  # a process of another version; its spans are missing, not everybody's


def _path(target: str) -> str:
    return target if target.startswith("/") else f"/{target}"


def _header(line: str) -> Header:
    name, colon, value = line.partition(":")
    if not colon or not name.strip():
        raise ConfigError([f'-H: "{line}" is not "Name: value"'])
    return name.strip().lower(), value.strip()
