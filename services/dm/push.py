"""New messages, pushed to whoever listens.  [I/O]

A phone keeps a WebSocket (RFC 6455) at one instance; the other side of its
conversation may be at another.  Both share one SQLite file, whose `data_version`
changes with every commit of anybody else's connection: a look that costs
microseconds, twenty times a second, and only while somebody listens.

Bounded: sockets of one account, messages waiting for one socket (who reads slower
is cut off and asks its inbox again), size of what a phone may send.  A drain says
1001 "going away" after its grace, so the phone connects again and lands elsewhere.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import trio

from edge.common.errors import EdgeError
from edge.common.http_server import GRACE_S
from edge.common.process import Process
from edge.common.websocket import (
    CLOSE,
    GOING_AWAY,
    NORMAL,
    PING,
    PONG,
    TEXT,
    Decoder,
    Message,
    WebSocketError,
    encode,
    encode_close,
)
from services.dm.store import Store
from services.dm.threads import Item, members_of, shown

LOOK_INTERVAL_S = 0.05
LOOK_MAX = 500  # messages read at one look; the rest at the next
READ_BYTES = 16 * 1024
MESSAGE_BYTES_MAX = 16 * 1024
OUTBOX_MAX = 64
SOCKETS_PER_ACCOUNT_MAX = 8
PING_INTERVAL_S = 20.0
SILENCE_MAX_S = 60.0  # three pings unanswered
SEND_TIMEOUT_S = 10.0
CLOSE_WAIT_S = 1.0

TRY_AGAIN_LATER = 1013  # RFC 6455's registry: the reader was too slow
_ENDED = (trio.BrokenResourceError, trio.ClosedResourceError)

Receive = Callable[[int, Any], Awaitable[dict[str, Any]]]  # (account, JSON value) -> answer


class Push:
    """The sockets of this instance and the task that feeds them."""

    def __init__(self, process: Process, store: Store, receive: Receive) -> None:
        """`receive` handles what a phone sends; its value is sent back."""
        self._process = process
        self._store = store
        self._receive = receive
        self._sockets: dict[int, set[_Socket]] = {}
        self._somebody = trio.Event()
        self._gauge = process.metrics.gauge("edge_dm_sockets", "Open WebSockets").child()

    def has_room(self, account: int) -> bool:
        """May `account` open one more socket here?"""
        return len(self._sockets.get(account, ())) < SOCKETS_PER_ACCOUNT_MAX

    async def run(self) -> None:
        """Look for new messages until cancelled."""
        while True:
            await self._somebody.wait()
            seen, version = self._store.last_seq(), self._store.version()
            while self._sockets:
                await trio.sleep(LOOK_INTERVAL_S)
                now = self._store.version()
                if now == version:
                    continue
                version = now
                while fresh := self._store.after(seen, LOOK_MAX):
                    seen = fresh[-1].seq
                    for item in fresh:
                        self._deliver(item)
                    await trio.lowlevel.checkpoint()
            self._somebody = trio.Event()

    async def converse(self, stream: trio.abc.HalfCloseableStream, early: bytes, account: int) -> None:
        """Own the connection until one side has had enough."""
        socket = _Socket(stream)
        self._sockets.setdefault(account, set()).add(socket)
        self._gauge.value += 1
        self._somebody.set()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(socket.write_outbox)
                nursery.start_soon(socket.ping)
                nursery.start_soon(self._say_goodbye, socket)
                await self._listen(socket, early, account)
                nursery.cancel_scope.cancel()
        except* _ENDED:
            pass  # the phone went into a tunnel
        finally:
            self._gauge.value -= 1
            mine = self._sockets[account]
            mine.discard(socket)
            if not mine:
                del self._sockets[account]

    async def _listen(self, socket: "_Socket", early: bytes, account: int) -> None:
        decoder = Decoder(MESSAGE_BYTES_MAX)
        data = early
        try:
            while True:
                for message in decoder.feed(data):
                    if not await self._take(socket, message, account):
                        return
                data = b""
                with trio.move_on_after(SILENCE_MAX_S):
                    data = bytes(await socket.stream.receive_some(READ_BYTES))
                if not data:
                    return
        except WebSocketError as error:
            await socket.close(error.code, str(error))

    async def _take(self, socket: "_Socket", message: Message, account: int) -> bool:
        """Deal with one message; False when the conversation is over."""
        if message.opcode == CLOSE:
            # An answer to our own close needs none (section 5.5.1).
            await socket.close(message.close_code if message.close_code != 1005 else NORMAL)
            return False
        if message.opcode == PING:
            await socket.send(encode(PONG, message.data))
        elif message.opcode == TEXT:
            try:
                answer = await self._receive(account, orjson.loads(message.data))
            except orjson.JSONDecodeError:
                answer = {"type": "error", "detail": "messages are JSON"}
            except EdgeError as error:
                answer = {"type": "error", "detail": str(error)}
            await socket.send(encode(TEXT, orjson.dumps(answer)))
        return True

    def _deliver(self, item: Item) -> None:
        for account in members_of(item.thread):
            for socket in self._sockets.get(account, ()):
                value = {"type": "message", "thread_id": str(item.thread), "item": shown(item, account)}
                socket.offer(encode(TEXT, orjson.dumps(value)))

    async def _say_goodbye(self, socket: "_Socket") -> None:
        await self._process.draining.wait()
        await trio.sleep(GRACE_S)
        await socket.close(GOING_AWAY, "this instance is going away, connect again")
        await trio.sleep(CLOSE_WAIT_S)
        await trio.aclose_forcefully(socket.stream)


class _Socket:
    def __init__(self, stream: trio.abc.HalfCloseableStream) -> None:
        self.stream = stream
        self._writing = trio.Lock()  # answers, pushes, pings and closing come from four tasks
        self._closed = False
        self._put, self._take = trio.open_memory_channel[bytes](OUTBOX_MAX)
        self._overfull = False

    def offer(self, frame: bytes) -> None:
        """Push `frame` when the phone is ready for it."""
        try:
            self._put.send_nowait(frame)
        except trio.WouldBlock:
            self._overfull = True

    async def write_outbox(self) -> None:
        async for frame in self._take:
            if self._overfull:
                await self.close(TRY_AGAIN_LATER, "too slow: read the inbox and connect again")
                await trio.aclose_forcefully(self.stream)
                return
            await self.send(frame)

    async def ping(self) -> None:
        while True:
            await trio.sleep(PING_INTERVAL_S)
            await self.send(encode(PING, b""))

    async def send(self, frame: bytes) -> None:
        async with self._writing:
            if self._closed:
                return
            with trio.move_on_after(SEND_TIMEOUT_S) as patience:
                await self.stream.send_all(frame)
            if patience.cancelled_caught:
                self._closed = True  # half a frame went out: nothing may follow it
                await trio.aclose_forcefully(self.stream)

    async def close(self, code: int, reason: str = "") -> None:
        """Say goodbye, once."""
        await self.send(encode_close(code, reason))
        self._closed = True
