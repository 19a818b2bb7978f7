"""dm: inbox, threads, sending, and a WebSocket that pushes.  [I/O]

201 means stored: the answer is written after the commit has reached the disk.
Who is not sure that a message arrived sends it again with the same
`client_context`; it is stored once.
"""

import time
from functools import partial
from typing import Any

import orjson
import trio

from edge.common.http_messages import HttpRequest, HttpResponse, Refusal, json_response, whole_number
from edge.common.http_routes import Routes
from edge.common.process import Process
from edge.common.websocket import accept_value, is_key
from services.dm.push import Push
from services.dm.store import Store
from services.dm.threads import (
    CONTEXT_CHARS_MAX,
    GREETERS,
    TEXT_CHARS_MAX,
    Item,
    greeting,
    is_thread,
    members_of,
    shown,
    shown_thread,
    thread_of,
)
from services.dm.writer import Writer
from services.frame import Frame, serve_routes
from services.graph import Graph

WORK_MS = 1.0
PAGE = 20
BODY_BYTES_MAX = 64 * 1024
THREAD_DIGITS_MAX = 18
NEWEST = (1 << 63) - 1  # sorts behind every message
# A read never waits for a writer in WAL mode; only a recovery after a crash could hold it.
READ_BUSY_S = 0.2

_SWITCH = ((b"upgrade", b"websocket"), (b"connection", b"upgrade"))
_UPGRADE = (*_SWITCH, (b"sec-websocket-version", b"13"))


async def serve(process: Process) -> None:
    """Carry messages until drained."""
    frame = Frame(process, work_ms=WORK_MS)
    reading, writing = Store(process.run_dir, busy_s=READ_BUSY_S), Store(process.run_dir)
    dm = Dm(frame, reading, Writer(writing))
    routes = Routes()
    routes.add("GET", "/api/v1/direct_v2/inbox/", dm.inbox)
    routes.add("GET", "/api/v1/direct_v2/threads/{id}/", dm.thread)
    routes.add("POST", "/api/v1/direct_v2/threads/{id}/items/", dm.send)
    routes.add("POST", "/api/v1/direct_v2/threads/broadcast/text/", dm.broadcast)
    routes.add("GET", "/api/v1/direct_v2/stream/", dm.stream)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(dm.writer.run)
            nursery.start_soon(dm.push.run)
            await serve_routes(frame, routes)
            nursery.cancel_scope.cancel()
    finally:
        reading.close()
        writing.close()


class Dm:
    """The handlers, one connection to read with and one writer."""

    def __init__(self, frame: Frame, store: Store, writer: Writer) -> None:
        self.writer = writer
        self.push = Push(frame.process, store, self._receive)
        self._frame = frame
        self._store = store
        self._graph = Graph(frame.seed, frame.accounts)

    async def inbox(self, request: HttpRequest) -> HttpResponse:
        """The account's threads, the one with the newest message first."""
        account = request.signed_in()
        before = _cursor(request)
        await self._frame.work(request)
        last = self._store.inbox(account, before, PAGE)
        threads = [shown_thread(item.thread, account, [item], str(item.seq)) for item in last]
        more = len(last) == PAGE
        if not more:
            # Behind the last real thread: people who have always been there.
            friends = self._graph.following(account)[:GREETERS]
            for thread in self._store.unwritten([thread_of(account, friend) for friend in friends]):
                hello = greeting(self._frame.seed, thread)
                threads.append(shown_thread(thread, account, [hello], None))
        return json_response(
            {
                "inbox": {
                    "threads": threads,
                    "has_older": more,
                    "oldest_cursor": str(last[-1].seq) if more else None,
                },
                "status": "ok",
            }
        )

    async def thread(self, request: HttpRequest) -> HttpResponse:
        """One thread, newest message first; `cursor` for older ones."""
        account = request.signed_in()
        thread = self._thread(request.parameters["id"], account)
        before = _cursor(request)
        await self._frame.work(request)
        items = self._store.newest(thread, before, PAGE)
        more = len(items) == PAGE
        if not more:
            items.append(greeting(self._frame.seed, thread))
        cursor = str(items[-1].seq) if more else None
        return json_response({"thread": shown_thread(thread, account, items, cursor), "status": "ok"})

    async def send(self, request: HttpRequest) -> HttpResponse:
        """`{"text", "client_context"}` into one thread."""
        account = request.signed_in()
        thread = self._thread(request.parameters["id"], account)
        fields = await request.fields(BODY_BYTES_MAX)
        return await self._send(request, account, thread, fields)

    async def broadcast(self, request: HttpRequest) -> HttpResponse:
        """As Instagram's phones send: `text` and `thread_ids` or `recipient_users`, one of either."""
        account = request.signed_in()
        fields = await request.fields(BODY_BYTES_MAX)
        thread_id = _only(fields.get("thread_ids"))
        if thread_id is not None:
            return await self._send(request, account, self._thread(thread_id, account), fields)
        recipient = whole_number(_only(fields.get("recipient_users")) or "")
        if recipient is None or recipient == account or not self._graph.knows(recipient):
            raise Refusal(400, "bad-recipient", "name one recipient in thread_ids or recipient_users")
        return await self._send(request, account, thread_of(account, recipient), fields)

    async def stream(self, request: HttpRequest) -> HttpResponse:
        """The handshake of RFC 6455 section 4.2."""
        account = request.signed_in()
        key = request.header(b"sec-websocket-key") or b""
        upgrade = (request.header(b"upgrade") or b"").lower()
        if upgrade != b"websocket" or request.header(b"sec-websocket-version") != b"13" or not is_key(key):
            wanted = (
                (b"upgrade", b"websocket"),
                (b"connection", b"upgrade"),
                (b"sec-websocket-version", b"13"),
            )
            raise Refusal(426, "websocket", "this path speaks WebSocket, version 13", wanted)
        if not self.push.has_room(account):
            raise Refusal(429, "too-many-sockets", "this account has too many sockets open")
        headers = (*_SWITCH, (b"sec-websocket-accept", accept_value(key)))
        return HttpResponse(101, headers=headers, takeover=partial(self.push.converse, account=account))

    async def _send(
        self, request: HttpRequest, account: int, thread: int, fields: dict[str, Any]
    ) -> HttpResponse:
        item = _item(account, thread, fields)
        await self._frame.work(request)
        with self._frame.recorder.internal(request.trace, "dm.commit") as attributes:
            stored = await self.writer.store(item)
            attributes["edge.dm.commits"] = self.writer.commits
        payload = {**shown(stored, account), "thread_id": str(thread)}
        location = f"/api/v1/direct_v2/threads/{thread}/".encode()
        return json_response({"payload": payload, "status": "ok"}, 201, ((b"location", location),))

    async def _receive(self, account: int, value: Any) -> dict[str, Any]:
        """What a phone sends through its socket: `{"type": "send", "thread_id", "text"}`."""
        if not isinstance(value, dict) or value.get("type") != "send":
            raise Refusal(400, "bad-message", 'send {"type": "send", "thread_id": ..., "text": ...}')
        thread = self._thread(str(value.get("thread_id")), account)
        stored = await self.writer.store(_item(account, thread, value))
        return {"type": "sent", "thread_id": str(thread), "item": shown(stored, account)}

    def _thread(self, text: str, account: int) -> int:
        thread = whole_number(text, THREAD_DIGITS_MAX)
        # A stranger's thread and one that cannot be look the same from outside.
        if thread is None or not is_thread(thread, self._frame.accounts) or account not in members_of(thread):
            raise Refusal(404, "no-such-thread", "there is no such thread in your inbox")
        return thread


def _item(account: int, thread: int, fields: dict[str, Any]) -> Item:
    text, context = fields.get("text"), fields.get("client_context", "")
    if not isinstance(text, str) or not text.strip() or len(text) > TEXT_CHARS_MAX:
        raise Refusal(400, "bad-text", f"text has 1 to {TEXT_CHARS_MAX} characters")
    if not isinstance(context, str) or len(context) > CONTEXT_CHARS_MAX:
        raise Refusal(400, "bad-context", f"client_context has at most {CONTEXT_CHARS_MAX} characters")
    return Item(0, thread, account, text, time.time_ns() // 1000, context)


def _cursor(request: HttpRequest) -> int:
    text = request.query.get("cursor", "")
    seq = whole_number(text, THREAD_DIGITS_MAX) if text else NEWEST
    if seq is None:
        raise Refusal(400, "bad-cursor", "cursor is the oldest_cursor of the page before")
    return seq


def _only(value: Any) -> str | None:
    """The single id in `7`, `"7"`, `[7]`, `[[7]]` or the same as text: phones send all of them."""
    for _ in range(3):
        if isinstance(value, str) and value.startswith("["):
            try:
                value = orjson.loads(value)
            except orjson.JSONDecodeError:
                return None
        if not isinstance(value, list):
            break
        if len(value) != 1:
            return None
        value = value[0]
    return str(value) if isinstance(value, int | str) else None
