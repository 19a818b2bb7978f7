"""A worker in this event loop: a toy L4 in front, a scripted service behind, phones over real TLS."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from shutil import copytree
from tempfile import mkdtemp

import trio

from edge.common.config import Config
from edge.common.process import Process
from edge.l7.worker import Worker
from edge.supervise.keys import ensure_keys
from tests.kit.l7_worker import ToyL4, toy_config

Service = Callable[[trio.SocketStream], Awaitable[None]]


@lru_cache(maxsize=1)
def _keys() -> Path:
    # Made once per test run: an elliptic key is quick, five of them for each test are not.
    directory = Path(mkdtemp(prefix="edge-test-keys-"))
    ensure_keys(directory, toy_config("127.0.0.1:1"))
    return directory


@dataclass
class Edge:
    """A running worker."""

    worker: Worker
    process: Process
    ports: dict[str, int]
    ca: Path
    streams: list[trio.abc.Stream] = field(default_factory=list)

    async def phone(self, *, tls: bool = True, context: ssl.SSLContext | None = None) -> "Phone":
        """A new connection."""
        stream: trio.abc.Stream = await trio.open_tcp_stream(
            "127.0.0.1", self.ports["https" if tls else "http"]
        )
        if tls:
            context = context or ssl.create_default_context(cafile=str(self.ca))
            stream = trio.SSLStream(stream, context, server_hostname="i.edge.test", https_compatible=True)
            await stream.do_handshake()
        self.streams.append(stream)
        return Phone(stream)


class Phone:
    """Sends bytes and reads answers."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.buffer = b""

    async def send(self, data: bytes) -> None:
        """Raw bytes."""
        await self.stream.send_all(data)

    async def end(self) -> None:
        """Send no more, read on (plain TCP only)."""
        assert isinstance(self.stream, trio.SocketStream)
        await self.stream.send_eof()

    async def get(self, target: str = "/", *lines: str, method: str = "GET") -> "Reply":
        """A request without a body, and its answer."""
        head = [f"{method} {target} HTTP/1.1", "Host: i.edge.test", *lines, "", ""]
        await self.send("\r\n".join(head).encode())
        return await self.reply(method)

    async def reply(self, method: str = "GET") -> "Reply":
        """The next answer."""
        while b"\r\n\r\n" not in self.buffer:
            await self._more()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        fields = [(line.partition(":")[0].lower(), line.partition(":")[2].strip()) for line in lines]
        reply = Reply(int(first.split()[1]), fields)
        if method == "HEAD" or reply.status in (204, 304) or reply.status < 200:
            return reply
        if reply["transfer-encoding"] == "chunked":
            reply.body = await self._chunks()
        elif reply["content-length"]:
            reply.body = await self.exactly(int(reply["content-length"]))
        else:
            while await self._more(end=True):
                pass
            reply.body, self.buffer = self.buffer, b""
        return reply

    async def exactly(self, count: int) -> bytes:
        """The next `count` bytes."""
        while len(self.buffer) < count:
            await self._more()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    async def ended(self) -> bool:
        """Has the edge ended the connection, with nothing more to say?"""
        return not self.buffer and not await self._more(end=True)

    async def _chunks(self) -> bytes:
        content = b""
        while True:
            while b"\r\n" not in self.buffer:
                await self._more()
            line, _, self.buffer = self.buffer.partition(b"\r\n")
            piece = await self.exactly(int(line, 16) + 2)
            content += piece[:-2]
            if line == b"0":
                return content

    async def _more(self, *, end: bool = False) -> bool:
        try:
            data = await self.stream.receive_some(65536)
        except trio.BrokenResourceError:
            data = b""
        if not data and not end:
            raise EOFError(f"the edge ended the connection; unread: {self.buffer[:200]!r}")
        self.buffer += bytes(data)
        return bool(data)


@dataclass
class Reply:
    """One answer."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes = b""

    def __getitem__(self, name: str) -> str:
        return next((value for key, value in self.fields if key == name), "")


class Script:
    """A service that hands each request to `answer` and sends back the bytes it returns."""

    def __init__(self, answer: "Callable[[bytes, bytes], bytes | None] | None" = None) -> None:
        self.answer = answer or (lambda head, body: hello(b"hello"))
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.connections = 0

    async def __call__(self, stream: trio.SocketStream) -> None:
        """Serve one connection; an answer of None hangs up."""
        self.connections += 1
        buffer = b""
        while True:
            while b"\r\n\r\n" not in buffer:
                data = await stream.receive_some(65536)
                if not data:
                    return
                buffer += data
            head, _, buffer = buffer.partition(b"\r\n\r\n")
            body = b""
            lower = head.lower()
            if b"transfer-encoding: chunked" in lower:
                while not buffer.endswith(b"0\r\n\r\n"):
                    buffer += await stream.receive_some(65536)
                body, buffer = buffer, b""
            elif b"content-length: " in lower:
                length = int(lower.partition(b"content-length: ")[2].split(b"\r\n")[0])
                while len(buffer) < length:
                    data = await stream.receive_some(65536)
                    if not data:
                        return
                    buffer += data
                body, buffer = buffer[:length], buffer[length:]
            if head.startswith(b"GET /healthz "):
                # The worker's health checks come when they like; no test counts them.
                self.connections -= 1
                await stream.send_all(hello(b"well", b"connection: close"))
                return
            self.heads.append(head)
            self.bodies.append(body)
            answer = self.answer(head, body)
            if answer is None:
                return
            await stream.send_all(answer)


def hello(body: bytes, *lines: bytes, status: bytes = b"200 OK") -> bytes:
    """An answer with a length."""
    fields = b"".join(line + b"\r\n" for line in lines)
    return b"HTTP/1.1 %b\r\n%bcontent-length: %d\r\n\r\n%b" % (status, fields, len(body), body)


@asynccontextmanager
async def running(
    run_dir: Path,
    service: Service,
    change: Callable[[Config], Config] = lambda config: config,
    *,
    patience_s: float = 20.0,
) -> AsyncIterator[Edge]:
    """A worker in front of `service`; ends with the block, or after `patience_s` with an error."""
    copytree(_keys(), run_dir, dirs_exist_ok=True)
    async with trio.open_nursery() as nursery:

        async def guarded(stream: trio.SocketStream) -> None:
            try:
                await service(stream)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass
            finally:
                await trio.aclose_forcefully(stream)

        listeners = await nursery.start(partial(trio.serve_tcp, guarded, 0, host="127.0.0.1"))
        address = f"127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        process = Process.for_test(
            change(toy_config(address)), run_dir, name="l7-test-1", tier="l7", pop="mumbai"
        )
        worker = Worker(process)
        l4 = ToyL4(run_dir / "l7" / "l7-test-1.sock")
        edge = Edge(worker, process, l4.ports, run_dir / "ca.pem")
        nursery.start_soon(worker.run)
        nursery.start_soon(l4.run)
        try:
            with trio.fail_after(patience_s):
                yield edge
        finally:
            for stream in edge.streams:
                with trio.move_on_after(1) as scope:
                    scope.shield = True
                    await trio.aclose_forcefully(stream)
            nursery.cancel_scope.cancel()
