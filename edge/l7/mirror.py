"""Give another cluster a copy of a request, and throw its answer away.  [I/O]

For trying a new version on real traffic without anybody depending on it.  The real
request comes first in everything: the copy leaves when the phone has its answer,
goes over the connections of the *other* cluster, and what becomes of it is counted
and nothing else.  A body is copied if it is still held, as for a second try; an
upload that was streamed is not.

The copy has a trace of its own (the service would otherwise hang its spans into one
that is over) and says whose copy it is in `Edge-Mirror-Of`.

Bounded by `COPIES_MAX` per worker: a slow mirror costs copies, never requests.
"""

import time
from collections.abc import Callable, Mapping
from random import Random
from typing import TYPE_CHECKING, Any, Final

import trio

from edge.common.config import MirrorConfig
from edge.common.metrics import Registry
from edge.l7.http1.body import Body, ChunkedBody, LengthBody, UntilCloseBody
from edge.l7.http1.head import Head
from edge.l7.http1.reply_head import HEAD_BYTES_MAX, UNTIL_CLOSE, BadReply, ReplyHead, ReplyMemo
from edge.l7.http1.rules import CHUNKED, Refused
from edge.l7.outgoing import Heads
from edge.l7.phone_body import PhoneBody
from edge.l7.request import Request
from edge.l7.transport import PeerGone
from edge.l7.upstream.pool import Channel, ConnectFailed, Overflow

if TYPE_CHECKING:
    from edge.l7.forward import Target

# Under way at once.  With a held body each, that is a few megabytes at most.
COPIES_MAX: Final = 64
_INFORMATIONAL_MAX: Final = 16


class Mirrors:
    """The copies of one worker."""

    def __init__(
        self,
        targets: Callable[[], Mapping[str, "Target"]],
        memo: ReplyMemo,
        dice: Random,
        spawn: Callable[..., Any],
        registry: Registry,
    ) -> None:
        """`targets`: the clusters as they are now; `spawn(function, *arguments)` starts a task."""
        self._targets = targets
        self._memo = memo
        self._dice = dice
        self._spawn = spawn
        self.under_way = 0
        self._outcomes = registry.counter(
            "edge_l7_mirrored_total",
            "Copies of requests: answered, failed, or left out (busy, body not held)",
            ("upstream", "outcome"),
        )

    def copy(
        self, config: MirrorConfig, heads: Heads, request: Request, head: Head, body: PhoneBody | None
    ) -> None:
        """The request was answered; let its copy follow, if the dice and the bounds agree.  Never waits."""
        if config.share < 1.0 and self._dice.random() >= config.share:
            return
        target = self._targets().get(config.cluster)
        if target is None or head.upgrade:
            return
        if body is not None and not (body.replayable and body.complete):
            self._count(target, "not held")
            return
        if self.under_way >= COPIES_MAX:
            self._count(target, "busy")
            return
        content = b"" if body is None else b"".join(body.held)
        left_s = target.cluster.config.try_timeout_s
        span_id = "%016x" % (self._dice.getrandbits(64) or 1)
        lines = heads.for_service(request, head, len(content), span_id, left_s)
        ours = request.trace.trace_id.encode()
        own = b"%032x" % (self._dice.getrandbits(128) or 1)
        lines = lines.replace(ours, own)[:-2] + b"edge-mirror-of: %b\r\n\r\n" % ours
        self.under_way += 1
        self._spawn(self._send, target, request.method, lines + content)

    async def _send(self, target: "Target", method: str, message: bytes) -> None:
        outcome = "failed"
        try:
            with trio.move_on_after(target.cluster.config.try_timeout_s):
                outcome = await self._exchange(target, method, message)
        except (ConnectFailed, Overflow, PeerGone, BadReply, Refused):
            pass  # counted below, and nobody else cares
        finally:
            self.under_way -= 1
            self._count(target, outcome)

    async def _exchange(self, target: "Target", method: str, message: bytes) -> str:
        cluster, way = target.cluster, target.way
        now = time.monotonic()
        pick = cluster.pick(None, (), now, self._dice)
        if pick is None:
            return "failed"
        cluster.started(pick.endpoint)
        status, again = 0, False
        try:
            channel = way.take(pick.address, now) or await way.open(pick.address)
            try:
                await channel.send(message)
                status, again = await self._swallow(channel, method)
            finally:
                way.give_back(channel, again, time.monotonic())
        finally:
            done = time.monotonic()
            cluster.finished(pick.endpoint, 0 < status < 500, done - now, done)
        return "answered" if status else "failed"

    async def _swallow(self, channel: Channel, method: str) -> tuple[int, bool]:
        """Status (0: none came whole), and whether the connection may be used again."""
        reply, data = await self._head(channel, method)
        if reply is None or reply.status == 101:
            return 0, False
        body: Body = _reader(reply)
        body.feed(data)
        while not body.complete:
            data = await channel.receive()
            if not data:
                return (reply.status if reply.length == UNTIL_CLOSE else 0), False
            body.feed(data)
        return reply.status, reply.keep_alive and not body.rest

    async def _head(self, channel: Channel, method: str) -> tuple[ReplyHead | None, bytes]:
        data = b""
        for _ in range(_INFORMATIONAL_MAX):
            while (end := data.find(b"\r\n\r\n")) < 0:
                more = await channel.receive()
                if not more or len(data) > HEAD_BYTES_MAX:
                    return None, b""
                data += more
            reply = self._memo.judge(data[: end + 4], method)
            data = data[end + 4 :]
            if reply.status >= 200 or reply.status == 101:
                return reply, data
        return None, b""

    def _count(self, target: "Target", outcome: str) -> None:
        self._outcomes.child(target.cluster.config.name, outcome).value += 1


def _reader(reply: ReplyHead) -> Body:
    if reply.length == CHUNKED:
        return ChunkedBody()
    return UntilCloseBody() if reply.length == UNTIL_CLOSE else LengthBody(reply.length)
