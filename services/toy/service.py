"""toy: a server whose capacity is known, so that a lab can say what to expect.  [I/O]

Each instance works on `slots` requests at a time, for `ms` milliseconds each
(exponentially distributed, as in the textbooks: M/M/c), and lets at most
`queue-max` wait.  All numbers are `options` of the service; with the instance's
number behind the name (`speed-2`, `error-share-1`) they hold for that instance.
`stubborn = 1` makes it finish work that nobody waits for any more.

    GET  /toy/work         one piece of work; says who did it and how long it waited
    GET  /toy/page/{key}   the same, cacheable for `ttl-s` seconds
    POST /toy/login        a session, remembered in this process's memory only
    POST /toy/shared       a session, remembered in a file that all instances share
    GET  /toy/me           200 for a known session, 401 for a stranger
"""

import random
import secrets
import sqlite3
from contextlib import closing
from pathlib import Path

import trio

from edge.common.http_messages import Header, HttpRequest, HttpResponse, Refusal, json_response
from edge.common.http_routes import Routes
from edge.common.process import Process
from services.frame import Frame, serve_routes

WORK_MS = 10.0
SLOTS = 4
QUEUE_MAX = 200
# A lab logs in some dozens of phones.
SESSIONS_MAX = 10_000
COOKIE = "toy_session"


async def serve(process: Process) -> None:
    """Work until drained."""
    frame = Frame(process)
    toy = Toy(frame)
    routes = Routes()
    routes.add("GET", "/toy/work", toy.work)
    routes.add("POST", "/toy/work", toy.work)
    routes.add("GET", "/toy/page/{key}", toy.page)
    routes.add("POST", "/toy/login", toy.login)
    routes.add("POST", "/toy/shared", toy.share)
    routes.add("GET", "/toy/me", toy.me)
    await serve_routes(frame, routes)


class Toy:
    """One instance: its slots, its queue, its memory."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._name = frame.process.name
        self._number = frame.process.index + 1
        self._slots = trio.CapacityLimiter(max(1, int(self._option("slots", SLOTS))))
        self._sessions: set[str] = set()
        self._made = 0

    async def work(self, request: HttpRequest) -> HttpResponse:
        """Wait for a slot, then work."""
        return json_response(await self._labour(request))

    async def page(self, request: HttpRequest) -> HttpResponse:
        """The same work, with a result that may be kept."""
        result = await self._labour(request)
        self._made += 1
        ttl_s = self._option("ttl-s", 1.0)
        stale_s = self._option("stale-s", 0.0)
        value = f"public, max-age={ttl_s:.0f}"
        if stale_s > 0:
            value += f", stale-while-revalidate={stale_s:.0f}"
        headers: tuple[Header, ...] = ((b"cache-control", value.encode()),)
        return json_response({**result, "made": self._made}, headers=headers)

    async def login(self, request: HttpRequest) -> HttpResponse:
        """A session in our own memory: it dies with us, and no sibling knows it."""
        token = secrets.token_hex(8)
        if len(self._sessions) >= SESSIONS_MAX:
            self._sessions.clear()
        self._sessions.add(token)
        return self._welcome(token)

    async def share(self, request: HttpRequest) -> HttpResponse:
        """A session in a file that every instance reads."""
        token = secrets.token_hex(8)
        with closing(_store(self._frame.process.run_dir)) as store, store:
            store.execute("INSERT INTO session VALUES (?)", (token,))
        return self._welcome(token)

    async def me(self, request: HttpRequest) -> HttpResponse:
        """Do we know this session?"""
        token = _cookie(request)
        await self._labour(request)
        known = token in self._sessions
        if not known and token:
            with closing(_store(self._frame.process.run_dir)) as store:
                known = (
                    store.execute("SELECT 1 FROM session WHERE token = ?", (token,)).fetchone() is not None
                )
        if not known:
            raise Refusal(401, "unknown-session", f"{self._name} does not know this session")
        return json_response({"server": self._name})

    async def _labour(self, request: HttpRequest) -> dict[str, object]:
        waiting = self._slots.statistics().tasks_waiting
        if waiting >= self._option("queue-max", QUEUE_MAX):
            raise Refusal(503, "queue-full", f"{waiting} requests wait at {self._name} already")
        started = trio.current_time()
        # Stubborn: works on although the caller's deadline has passed, as most servers do.
        with trio.CancelScope(shield=self._option("stubborn", 0.0) > 0):
            async with self._slots:
                begun = trio.current_time()
                ms = random.expovariate(1.0) * self._option("ms", WORK_MS) / self._option("speed", 1.0)
                await trio.sleep(ms / 1000)
        if random.random() < self._option("error-share", 0.0):
            raise Refusal(500, "bad-release", f"{self._name} has a bug, on purpose")
        queued_ms = (begun - started) * 1000
        request.attributes["edge.queue_ms"] = round(queued_ms, 3)
        request.attributes["edge.simulated_ms"] = round(ms, 3)
        return {"server": self._name, "queue": waiting, "queue_ms": round(queued_ms, 3)}

    def _welcome(self, token: str) -> HttpResponse:
        cookie = f"{COOKIE}={token}; Path=/; HttpOnly; Secure; SameSite=Lax".encode()
        return json_response({"server": self._name}, headers=((b"set-cookie", cookie),))

    def _option(self, name: str, default: float) -> float:
        return self._frame.option(f"{name}-{self._number}", self._frame.option(name, default))


def _cookie(request: HttpRequest) -> str:
    for part in (request.header(b"cookie") or b"").decode("latin-1").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value
    return ""


def _store(run_dir: Path) -> sqlite3.Connection:
    directory = run_dir / "state"
    directory.mkdir(mode=0o700, exist_ok=True)
    # A crowd logs in at once, and each copy writes; none of them is to be refused for a lock.
    store = sqlite3.connect(directory / "toy-sessions.sqlite", timeout=5.0)
    # What a kill -9 leaves behind is the kernel's already.  Only a power cut needs fsync, which takes a busy
    # disk so long that the others' patience ends.
    store.execute("PRAGMA synchronous = OFF")
    store.execute("CREATE TABLE IF NOT EXISTS session (token TEXT PRIMARY KEY)")
    return store
