"""The console: static pages, a JSON API under them, and pictures as server-sent events.  [I/O]

    GET  /  /stats  /waf  /request  /lab  /phone    the pages
    GET  /api/events                          a picture of the edge, twice a second, while one looks
    GET  /api/trace/{id}                      the waterfall of one request
    GET  /api/waf  /api/waf/{id}              what the firewall found; why
    GET  /api/labs  /api/lab-state            the labs; GET /report/{run} a report
    POST /api/do  /api/lab  /api/phone        change something: these need the token

The console is a member of the edge like any other and asks what `edge top` asks;
when it dies, nobody on a request's path notices.
"""

import os
import random
import secrets
import signal
import time
from base64 import b64encode
from collections.abc import AsyncGenerator
from importlib import resources
from pathlib import Path
from typing import Any

import trio

from edge.common.errors import EdgeError
from edge.common.fault_hook import thaw
from edge.common.http_host import Limits
from edge.common.http_messages import Handler, Header, HttpRequest, HttpResponse, Refusal, json_response
from edge.common.http_routes import Routes
from edge.common.http_server import serve_http
from edge.common.process import Process
from edge.common.run_files import write_atomically
from edge.console import firewall, guard
from edge.console.actions import action_of
from edge.console.collect import collect
from edge.console.kept import Kept
from edge.console.labs import Labs
from edge.console.phone import ConsolePhone
from edge.console.picture import picture
from edge.console.watch import Watch

TOKEN_FILE = "console.token"
BODY_BYTES_MAX = 16 * 1024
# A person and a few tabs, each with a stream of events.
LIMITS = Limits(connections_max=64)
PAGES = {
    "/": "live.html",
    "/stats": "stats.html",
    "/waf": "waf.html",
    "/request": "request.html",
    "/lab": "lab.html",
    "/phone": "phone.html",
}
_TYPES = {
    ".html": b"text/html; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
}
_TRACE_ID_CHARS = 32
_PATH_CHARS_MAX = 2048


class Console:
    """What the handlers share."""

    def __init__(self, process: Process, token: str, root: Path, nursery: trio.Nursery) -> None:
        self._process = process
        self._token = token
        self._nursery = nursery
        self._files = _files()
        self.watch = Watch(process)
        self.phone = ConsolePhone(process)
        self.labs = Labs(root, root / "runs")

    def routes(self) -> Routes:
        """Every address of the console."""
        routes = Routes()
        for path, name in PAGES.items():
            routes.add("GET", path, self._file_handler(name))
        routes.add("GET", "/static/{name}", self.static)
        routes.add("GET", "/api/events", self.events)
        routes.add("GET", "/api/state", self.state)
        routes.add("GET", "/api/trace/{id}", self.trace)
        routes.add("GET", "/api/waf", self.waf)
        routes.add("GET", "/api/waf/{id}", self.waf_why)
        routes.add("GET", "/api/labs", self.lab_cards)
        routes.add("GET", "/api/lab-state", self.lab_state)
        routes.add("GET", "/report/{run}", self.report)
        routes.add("POST", "/api/do", self.do)
        routes.add("POST", "/api/lab", self.lab)
        routes.add("POST", "/api/phone", self.call)
        return routes

    def guarded(self, inner: Handler, hosts: frozenset[str]) -> Handler:
        """`inner` behind the locks of `edge.console.guard`."""

        async def handler(request: HttpRequest) -> HttpResponse:
            refused = guard.refusal(request.method, dict(request.headers), hosts, self._token)
            if refused is not None:
                raise Refusal(refused[0], "not-here", refused[1], guard.headers())
            response = await inner(request)
            if not any(name == b"content-security-policy" for name, _ in response.headers):
                response.headers = (*response.headers, *guard.headers())
            return response

        return handler

    # -- pages ------------------------------------------------------------------------

    def _file_handler(self, name: str) -> Handler:
        async def handler(request: HttpRequest) -> HttpResponse:
            return self._file(name)

        return handler

    async def static(self, request: HttpRequest) -> HttpResponse:
        """A style, a script, a picture."""
        return self._file(request.parameters["name"])

    def _file(self, name: str) -> HttpResponse:
        found = self._files.get(name)
        if found is None:
            raise Refusal(404, "not-found", "no such file")
        kind: Header = (b"content-type", found[0])
        return HttpResponse(200, found[1], (kind,))

    # -- looking ----------------------------------------------------------------------

    async def state(self, request: HttpRequest) -> HttpResponse:
        """One picture."""
        return json_response(await self.watch.picture())

    async def events(self, request: HttpRequest) -> HttpResponse:
        """Pictures until the page is closed."""
        joined = self.watch.join()
        if joined is None:
            raise Refusal(503, "too-many-viewers", "close some tabs")
        return HttpResponse(200, self._stream(*joined), ((b"content-type", b"text/event-stream"),))

    async def _stream(
        self, send: trio.MemorySendChannel[bytes], receive: trio.MemoryReceiveChannel[bytes]
    ) -> AsyncGenerator[bytes, None]:
        try:
            # Tells the browser how soon to come back after we were restarted.
            yield b"retry: 1000\n\n"
            while not self._process.draining.is_set():
                with trio.move_on_after(1.0):
                    yield await receive.receive()
        finally:
            self.watch.leave(send)

    async def trace(self, request: HttpRequest) -> HttpResponse:
        """One request's waterfall and spans."""
        trace_id = _trace_id(request)
        spans = await self.phone.spans(trace_id)
        if not spans:
            raise Refusal(404, "forgotten", "nobody remembers that request; the rings hold the latest only")
        return json_response(picture(spans))

    async def waf(self, request: HttpRequest) -> HttpResponse:
        """What the workers found of late, what their rules count, who is banned."""
        link = self._process.link
        found = firewall.findings(await link.ask("waf", target="l7"))
        rules = firewall.by_rule(await link.ask("metrics", target="l7"), found)
        bans = firewall.banned(link.bans, time.time())
        return json_response({"findings": found, "rules": rules, "bans": bans})

    async def waf_why(self, request: HttpRequest) -> HttpResponse:
        """Why one request was refused, in the words of `edge waf explain`."""
        answers = await self._process.link.ask("waf", target="l7", id=_trace_id(request))
        lines = next((told for told in answers.values() if told), None)
        if lines is None:
            raise Refusal(
                404, "forgotten", "the workers remember the newest findings only; try edge waf explain"
            )
        return json_response({"text": "\n".join(lines)})

    # -- changing ---------------------------------------------------------------------

    async def do(self, request: HttpRequest) -> HttpResponse:
        """Drain, weigh, kill, break for a while, or stop all faults."""
        members = self._process.link.members
        tiers = {name: member.tier for name, member in members.items()}
        fault_id = f"c{random.getrandbits(24):06x}"
        action = action_of(await request.fields(BODY_BYTES_MAX), tiers, fault_id)
        self._process.log.info("console.action", action=action.action, target=action.target)
        if action.action == "kill":
            os.kill(members[action.target].pid, signal.SIGKILL)
            return json_response(
                {"ok": True, "detail": f"{action.target} was killed; its supervisor starts it again"}
            )
        if action.args.get("do") == "clear":
            thaw(self._process.run_dir)
        done = await self._process.link.command(action.target, action.action, **action.args)
        return json_response({"ok": done.ok, "detail": done.detail})

    async def call(self, request: HttpRequest) -> HttpResponse:
        """Be a phone: `{"path", "city", "account", "cold"}`; the answer, and how it came."""
        fields = await request.fields(BODY_BYTES_MAX)
        path = str(fields.get("path", "/"))[:_PATH_CHARS_MAX]
        if not path.startswith("/") or any(not 32 < ord(letter) < 127 for letter in path):
            raise Refusal(400, "bad-path", "a path begins with / and has no spaces")
        city, account = str(fields.get("city", "jaipur"))[:40], str(fields.get("account", "ada"))[:64]
        call = await self.phone.get(path, city, account, cold=bool(fields.get("cold")))
        answer: dict[str, Any] = {
            "trace_id": call.trace_id,
            "status": call.status,
            "failed": call.failed,
            "headers": call.headers,
            "kind": call.header("content-type"),
            "bytes": len(call.body),
            "picture": picture(call.spans),
        }
        if answer["kind"].startswith(("application/json", "application/problem+json")):
            answer["text"] = call.body.decode(errors="replace")
        elif answer["kind"].startswith("image/"):
            answer["data"] = _data_url(answer["kind"], call.body)
        return json_response(answer)

    # -- labs -------------------------------------------------------------------------

    async def lab_cards(self, request: HttpRequest) -> HttpResponse:
        """Every lab."""
        return json_response(self.labs.cards())

    async def lab_state(self, request: HttpRequest) -> HttpResponse:
        """The lab that runs, and the reports of those that ran."""
        return json_response(self.labs.state())

    async def lab(self, request: HttpRequest) -> HttpResponse:
        """Run one: `{"name", "prediction"}`."""
        fields = await request.fields(BODY_BYTES_MAX)
        try:
            self.labs.begin(str(fields.get("name", "")))
        except KeyError:
            raise Refusal(404, "no-such-lab", "no lab has that name") from None
        self._nursery.start_soon(self.labs.run, str(fields.get("prediction", ""))[:100])
        return json_response({"ok": True})

    async def report(self, request: HttpRequest) -> HttpResponse:
        """The report of one run, which brings everything it needs."""
        data = self.labs.report(request.parameters["run"])
        if data is None:
            raise Refusal(404, "no-such-run", "no run has that name")
        kind: Header = (b"content-type", _TYPES[".html"])
        return HttpResponse(200, data, (kind, *guard.headers(guard.REPORT_POLICY)))


async def serve(process: Process) -> None:
    """The console's entry point."""
    listener = trio.SocketListener(trio.socket.from_stdlib_socket(process.sockets["console"]))
    host, port = listener.socket.getsockname()[:2]
    token = token_in(process.run_dir)
    async with trio.open_nursery() as nursery:
        console = Console(process, token, Path.cwd(), nursery)
        nursery.start_soon(console.watch.run)
        nursery.start_soon(collect, process, Kept())
        process.live(f"{host}:{port}")
        handler = console.guarded(console.routes(), guard.hosts_of(f"{host}:{port}"))
        try:
            await serve_http([listener], _translated(handler), process, LIMITS)
        finally:
            console.phone.close()
        nursery.cancel_scope.cancel()


def _trace_id(request: HttpRequest) -> str:
    trace_id = request.parameters["id"].lower()
    if len(trace_id) != _TRACE_ID_CHARS or not trace_id.isalnum():
        raise Refusal(400, "bad-trace-id", "a trace id has 32 hexadecimal digits")
    return trace_id


def token_in(run_dir: Path) -> str:
    """The token of this edge, made at first sight; a restarted console keeps it."""
    path = run_dir / TOKEN_FILE
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        token = secrets.token_urlsafe(24)
        write_atomically(path, token.encode())
        return token


def _translated(inner: Handler) -> Handler:
    async def handler(request: HttpRequest) -> HttpResponse:
        try:
            return await inner(request)
        except Refusal:
            raise
        except EdgeError as error:
            raise Refusal(error.status_hint or 503, "refused", str(error), guard.headers()) from error

    return handler


def _files() -> dict[str, tuple[bytes, bytes]]:
    found = {}
    for file in resources.files("edge.console").joinpath("static").iterdir():
        kind = _TYPES.get(Path(file.name).suffix)
        if kind is not None:
            found[file.name] = (kind, file.read_bytes())
    return found


def _data_url(kind: str, body: bytes) -> str:
    return f"data:{kind.partition(';')[0]};base64,{b64encode(body).decode()}"
