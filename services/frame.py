"""The frame around each service: a port, a table of routes, ways to the others.  [I/O]

A service builds its `Routes` and hands them to `serve_routes`.  `Frame` is what
its handlers may use: the others (`ask`), a pretended effort (`work`), spans for
what they do inside.
"""

import random
import socket
import time

import trio

from edge.common.errors import EdgeError
from edge.common.fault_hook import struck
from edge.common.http_client import BadReply, HttpClient, TooSlow, Unreachable
from edge.common.http_faults import QuestionLost, befall_question
from edge.common.http_messages import HttpReply, HttpRequest
from edge.common.http_routes import Routes
from edge.common.http_server import serve_http
from edge.common.messages import Member
from edge.common.process import Process
from edge.common.recorder import Recorder
from services.effort import effort_s
from services.neighbours import HOST, RETURN_S, Address, Neighbours

BACKLOG = 1024
# Left of a caller's deadline for writing our own answer.
ANSWER_MARGIN_S = 0.005
TIMEOUT_S = 2.0
# One other instance is tried.  More tries would be a retry storm waiting for its day.
TRIES = 2

_PASSED_ON = (b"edge-account", b"edge-experiment", b"edge-trace")


class NoInstance(EdgeError):
    """The hub and the configuration know nobody who could be asked."""

    blame = "edge"
    retryable = True
    status_hint = 503


class Frame:
    """What a handler may use beside its own state."""

    def __init__(self, process: Process, *, work_ms: float = 0.0) -> None:
        """`work_ms`: the median effort, unless the configuration's `work-ms` says otherwise."""
        self.process = process
        self.seed = process.config.services.seed
        self.accounts = process.config.services.accounts
        self.recorder = Recorder(process.spans, process.service, process.name, process.pid)
        self._work_ms = work_ms
        self._client = HttpClient(self.recorder)
        self._neighbours = Neighbours(process.config)
        self._news = trio.Event()
        process.link.on_members(self._learn)
        process.link.on_revision(lambda config, revision: self._neighbours.reconfigure(config))

    def _learn(self, changed: list[Member], gone: list[str]) -> None:
        self._neighbours.update(self.process.link.members.values(), time.monotonic())
        self._news.set()
        self._news = trio.Event()

    async def _await_return(self, service: str, deadline: float) -> None:
        # Its only copy is being replaced: a pause for the caller, and no failure.
        with trio.move_on_at(min(deadline, trio.current_time() + RETURN_S)):
            while self._neighbours.returns_soon(service, time.monotonic()):
                await self._news.wait()

    def option(self, name: str, default: float) -> float:
        """A number from this service's `options`, as the configuration stands now."""
        for service in self.process.config.service:
            if service.name == self.process.service:
                return service.options.get(name, default)
        return default

    async def work(self, request: HttpRequest) -> None:
        """Pretend the effort a real service would make: waiting, not computing."""
        median_ms = self.option("work-ms", self._work_ms)
        if median_ms > 0:
            seconds = effort_s(median_ms / 1000, random.gauss(0.0, 1.0))
            request.attributes["edge.simulated_ms"] = round(seconds * 1000, 3)
            await trio.sleep(seconds)

    async def ask(
        self,
        service: str,
        method: str,
        target: str,
        request: HttpRequest,
        *,
        route: str,
        body: bytes = b"",
        timeout_s: float = TIMEOUT_S,
    ) -> HttpReply:
        """Ask `service` on behalf of `request`, at a second instance if the first is not there.

        Only questions: a POST asked here may be asked twice.  A reply that is not
        200 is an error too.  Raises `Unreachable`, `TooSlow`, `BadReply` or
        `NoInstance`.
        """
        deadline = trio.current_time() + timeout_s
        if request.deadline is not None:
            deadline = min(deadline, request.deadline - ANSWER_MARGIN_S)
        headers = tuple((name, value) for name, value in request.headers if name in _PASSED_ON)
        await self._await_return(service, deadline)
        tried: list[Address] = []
        failure: EdgeError = NoInstance(f"no instance of {service} is known")
        for resend in range(TRIES):
            address = self._neighbours.pick(service, tried)
            left_s = deadline - trio.current_time()
            if left_s <= 0:
                raise TooSlow(f"no time is left to ask {service}")
            if address is None:
                break
            tried.append(address)
            try:
                faults = self.process.faults
                if faults.armed and (strike := struck(faults, to=(service, f"{address[0]}:{address[1]}"))):
                    await befall_question(strike, request, left_s)
                    left_s = max(0.0, deadline - trio.current_time())
                reply = await self._client.request(
                    method,
                    address,
                    target,
                    trace=request.trace,
                    timeout_s=left_s,
                    headers=headers,
                    body=body,
                    peer=service,
                    route=route,
                    resend=resend,
                    repeatable=True,
                )
            except (Unreachable, QuestionLost) as error:
                failure = error
                await self._await_return(service, deadline)
                if not self._neighbours.pick(service, tried):
                    # Nobody but who just failed: it may be a new process behind the old port.
                    tried.clear()
                continue
            if reply.status == 504:  # it keeps our deadline too, and sometimes wins the race
                raise TooSlow(f"{service} ran out of time")
            if reply.status != 200:
                raise BadReply(f"{service} answered {reply.status}")
            return reply
        raise failure

    async def aclose(self) -> None:
        """Close the connections to the others."""
        await self._client.aclose()


async def serve_routes(frame: Frame, routes: Routes) -> None:
    """Bind this instance's port, say that we are live, serve until drained."""
    process = frame.process
    port = next((service.port for service in process.config.service if service.name == process.service), 0)
    listener = trio.SocketListener(trio.socket.from_stdlib_socket(_bind(port + process.index if port else 0)))
    address = listener.socket.getsockname()
    process.live(f"{address[0]}:{address[1]}")
    try:
        await serve_http([listener], routes, process)
    finally:
        await frame.aclose()


def _bind(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # The connections of a killed predecessor linger in TIME_WAIT on this port.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener
