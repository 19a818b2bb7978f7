"""How does a request reach a service, and its answer the phone?  [I/O]

Pick an endpoint, take a connection, send, wait for the head, pass the body on
as it comes.  Framing is never passed on: lengths are read, checked and written
anew in each direction.

A request is tried again only where that cannot do harm: nothing was sent, or the
method is idempotent (RFC 9110 section 9.2.2) and its body is still held; on
another endpoint, after a jittered pause, and within the cluster's budget.  One
case is free of charge: a kept-alive connection that ended before its first byte
was closed by the service while it was idle, so the same request goes out again
on a fresh one.

What could not be done becomes an `Answer` with one of Envoy's flags: UH no
endpoint, UF no connection, UO overflow, UT timeout, UC connection broken.
"""

import time
from collections.abc import Mapping
from random import Random
from typing import TYPE_CHECKING, Final

import trio

from edge.l7 import answers
from edge.l7.fetch import Fetch
from edge.l7.http1.body import LAST_CHUNK, Body, ChunkedBody, LengthBody, UntilCloseBody, chunk
from edge.l7.http1.head import Head
from edge.l7.http1.reply_head import HEAD_BYTES_MAX, UNTIL_CLOSE, BadReply, ReplyHead, ReplyMemo
from edge.l7.http1.rules import CHUNKED, Refused
from edge.l7.phone_body import PhoneBody
from edge.l7.record import Try
from edge.l7.request import Request
from edge.l7.transport import PeerGone
from edge.l7.tunnel import tunnel
from edge.l7.upstream.affinity import CookieAffinity, affinity_key
from edge.l7.upstream.cluster import Cluster, Pick
from edge.l7.upstream.pool import Channel, ConnectFailed, Overflow, Way
from edge.l7.upstream.retry import IDEMPOTENT, backoff_s, is_safe
from edge.l7.verdict import Answer

if TYPE_CHECKING:
    from edge.l7.connection import PhoneConnection

_HASHING: Final = frozenset(("hash", "bounded-hash"))
# An informational answer costs a round; a service that sends more than this is broken.
_INFORMATIONAL_MAX: Final = 16
_DETAILS: Final = {
    "UH": (503, "The service has no healthy copy right now.", "destination_unavailable"),
    "UF": (502, "The service cannot be reached right now.", "connection_refused"),
    "UO": (503, "The service is busy right now.", "connection_limit_reached"),
    "UT": (504, "The service did not answer in time.", "http_response_timeout"),
    "UC": (502, "The service broke off its answer.", "connection_terminated"),
    "URX": (502, "The service cannot be reached right now.", "destination_unavailable"),
    "UPE": (502, "The service gave no proper answer.", "http_protocol_error"),
}


class Failure(Exception):
    """One try failed.

    `sent`: may the service have seen the request?  `stale`: it was the keep-alive race.
    """

    def __init__(self, flag: str, why: str, *, sent: bool, stale: bool = False, blame: bool = True) -> None:
        super().__init__(why)
        self.flag = flag
        self.why = why
        self.sent = sent
        self.stale = stale
        self.blame = blame  # does the endpoint's health suffer from it?


class Target:
    """One cluster: who is there, the connections, and who is bound to whom."""

    __slots__ = ("affinity", "cluster", "hashing", "way")

    def __init__(self, cluster: Cluster, way: Way, affinity: CookieAffinity | None) -> None:
        self.cluster = cluster
        self.way = way
        self.affinity = affinity
        self.hashing = cluster.config.balance in _HASHING


class Forwarder:
    """The way of one worker to all services."""

    def __init__(self, memo: ReplyMemo, dice: Random) -> None:
        self.targets: dict[str, Target] = {}
        self._memo = memo
        self._dice = dice
        self.stale_retries = 0
        self.retries = 0

    async def forward(
        self, phone: "PhoneConnection", request: Request, head: Head, body: PhoneBody | None
    ) -> Answer | None:
        """Bring the request to a service and its answer to the phone.

        None once the answer is on its way.  Raises `PeerGone` (the phone left) and
        `Refused` (its body is at fault).
        """
        route = request.route
        assert route is not None, "the route stage lets nothing pass without a route"
        split = route.config.split
        target = self.targets[_split(split, request, self._dice) if split else route.cluster]
        cluster, config = target.cluster, target.cluster.config
        now = time.monotonic()
        deadline = now + (route.config.timeout_s or config.timeout_s)
        key = affinity_key(config, request) if target.hashing else None
        bound = target.affinity.wanted(request) if target.affinity is not None else None
        tried: list[str] = []
        again: Pick | None = None
        lost = Failure("UH", "not tried", sent=False)
        while True:
            pick = again or cluster.pick(key, tried, now, self._dice, bound)
            if pick is None:
                refusal = cluster.refusal(now)
                if tried:
                    return self._give_up(phone, request, "URX", f"{lost.why}; then {refusal.why}", now)
                return self._give_up(phone, request, refusal.flag, refusal.why, now)
            if target.affinity is not None and pick.endpoint != bound:
                bound = pick.endpoint
                request.reply_lines += target.affinity.reply_line(bound)
            attempt = Try(
                f"{self._dice.getrandbits(64) or 1:016x}",
                pick.endpoint,
                pick.address,
                pick.why,
                time.monotonic_ns(),
            )
            phone.tries.append(attempt)
            cluster.started(pick.endpoint, retry=len(phone.tries) > 1)
            blame = learned = False
            try:
                until = min(deadline, now + config.try_timeout_s)
                fresh = again is not None
                await self._attempt(phone, request, head, body, target.way, attempt, until, fresh)
                learned, blame = True, attempt.status >= 500
                return None
            except Failure as failure:
                attempt.error = failure.flag
                learned = blame = failure.blame
                lost = failure
            finally:
                attempt.end_ns = time.monotonic_ns()
                now = attempt.end_ns * 1e-9
                phone.channel = None
                if learned:
                    first_s = ((attempt.first_ns or attempt.end_ns) - attempt.start_ns) * 1e-9
                    cluster.finished(pick.endpoint, not blame, first_s, now)
                else:
                    # The phone left, or we are to blame: nothing to learn about the endpoint.
                    cluster.abandoned(pick.endpoint)
            held = body is None or body.replayable
            safe = held and is_safe(request.method, sent=lost.sent, answered=phone.head_sent)
            if safe and lost.stale:
                self.stale_retries += 1
                again = pick
                continue
            again = None
            if (
                not safe
                or len(tried) >= config.retry.attempts
                or now >= deadline
                or not cluster.may_retry(now)
            ):
                return self._give_up(phone, request, lost.flag, lost.why, now)
            self.retries += 1
            tried.append(pick.endpoint)
            pause_s = backoff_s(config.retry, len(tried), self._dice.random())
            await trio.sleep(min(pause_s, max(0.0, deadline - now)))
            now = time.monotonic()

    def _give_up(
        self, phone: "PhoneConnection", request: Request, flag: str, why: str, now: float
    ) -> Answer | None:
        if phone.head_sent:
            # The answer has begun: all that is left is to break it off, so that nobody takes it for whole.
            phone.flag, phone.why, phone.keep_alive = flag, why, False
            raise PeerGone
        if request.fetch is not None and (stale := request.fetch.failed(now, phone.unix_now())) is not None:
            return stale
        status, detail, token = _DETAILS[flag]
        return Answer(
            status=status,
            reason=flag,
            detail=detail,
            why=why,
            headers=((b"proxy-status", b"%b; error=%b" % (phone.hop, token.encode())),),
            retry_after_s=1.0 if status == 503 else None,
        )

    # -- one try ----------------------------------------------------------------------

    async def _attempt(
        self,
        phone: "PhoneConnection",
        request: Request,
        head: Head,
        body: PhoneBody | None,
        way: Way,
        attempt: Try,
        deadline: float,
        fresh: bool,
    ) -> None:
        try:
            channel = await way.channel(attempt.address, attempt.start_ns * 1e-9, fresh=fresh)
        except ConnectFailed as error:
            raise Failure("UT" if error.timed_out else "UF", str(error), sent=False) from error
        except Overflow as error:
            raise Failure("UO", str(error), sent=False, blame=False) from error
        attempt.connected_ns = time.monotonic_ns()
        attempt.reused = channel.uses > 0
        phone.channel = channel
        done = False
        try:
            phone.wait_for_service(deadline)
            rest = await self._send(phone, request, head, body, channel, attempt, deadline)
            reply, rest = await self._reply_head(phone, request, channel, attempt, rest)
            if reply.status == 503 and self._worth_another(phone, request, body):
                raise Failure("UH", f"{attempt.endpoint} answered 503", sent=True)
            done = await self._relay(phone, request, head, channel, reply, rest, attempt)
        finally:
            if done:
                way.keep(channel, time.monotonic())
            else:
                way.drop(channel)

    def _worth_another(self, phone: "PhoneConnection", request: Request, body: PhoneBody | None) -> bool:
        # A service that drains answers 503; another copy may well answer properly.  Once only.
        return len(phone.tries) == 1 and request.method in IDEMPOTENT and (body is None or body.replayable)

    async def _send(
        self,
        phone: "PhoneConnection",
        request: Request,
        head: Head,
        body: PhoneBody | None,
        channel: Channel,
        attempt: Try,
        deadline: float,
    ) -> bytes:
        """Send head and body; returns what of the answer came while the body was still on its way."""
        early = b""
        try:
            data = phone.request_head(request, head, body, attempt, deadline)
            if body is None:
                await channel.send(data)
            else:
                once = request.method not in IDEMPOTENT
                # Not to be repeated, so look first whether the service has closed this connection.
                if once and channel.uses and channel.receive_now() is not None:
                    raise Failure("UC", "a kept-alive connection had been closed", sent=False, stale=True)
                early = await _send_body(phone, data, body, channel, deadline)
        except PeerGone as error:
            if answer := channel.receive_now():  # it may have said why before it closed
                return answer
            stale = channel.uses > 0
            raise Failure(
                "UC", "the connection broke while the request was sent", sent=True, stale=stale
            ) from error
        attempt.sent_ns = time.monotonic_ns()
        return early

    async def _reply_head(
        self, phone: "PhoneConnection", request: Request, channel: Channel, attempt: Try, data: bytes
    ) -> tuple[ReplyHead, bytes]:
        for _ in range(_INFORMATIONAL_MAX):
            while (end := data.find(b"\r\n\r\n")) < 0:
                if len(data) > HEAD_BYTES_MAX:
                    raise Failure("UPE", "the head of the answer is too long", sent=True)
                if not data:
                    await channel.wait()
                more = await channel.receive()
                if not more:
                    if channel.expired:
                        raise Failure(
                            "UT", f"no answer within the time for one try from {attempt.endpoint}", sent=True
                        )
                    if data:
                        raise Failure("UC", "the connection broke inside the head of the answer", sent=True)
                    stale = channel.uses > 0
                    raise Failure("UC", "the connection ended before the answer", sent=True, stale=stale)
                if not attempt.first_ns:
                    attempt.first_ns = time.monotonic_ns()
                data = data + more if data else more
            if not attempt.first_ns:
                attempt.first_ns = time.monotonic_ns()
            try:
                reply = self._memo.judge(data[: end + 4], request.method)
            except BadReply as error:
                raise Failure("UPE", str(error), sent=True) from error
            data = data[end + 4 :]
            if reply.status >= 200 or reply.status == 101:
                attempt.status = reply.status
                return reply, data
        raise Failure("UPE", "the service sends informational answers only", sent=True)

    async def _relay(
        self,
        phone: "PhoneConnection",
        request: Request,
        head: Head,
        channel: Channel,
        reply: ReplyHead,
        rest: bytes,
        attempt: Try,
    ) -> bool:
        """Pass the answer on; True when the channel may be used again."""
        if reply.status == 101:
            if not head.upgrade:
                raise Failure("UPE", "the service switched protocols unasked", sent=True)
            await tunnel(phone, phone.reply_head(request, reply, b"", attempt, upgrade=True), channel, rest)
            return False
        fetch = request.fetch
        if fetch is not None:
            ours = fetch.response(reply.status, reply.fields, time.monotonic(), phone.unix_now())
            if ours is not None:
                await phone.send_answer(request, ours)
                return reply.keep_alive and reply.length == 0 and not rest
        length = reply.length
        if length >= 0 and len(rest) == length:
            # The usual case: all of it is here, and one write does.
            phone.status = reply.status
            if fetch is not None and rest:
                fetch.data(rest)
            framing = (
                b""
                if length == 0 and reply.told_length < 0
                else b"content-length: %d\r\n" % reply.told_length
            )
            if (
                reply.told_length < 0
                and request.method != "HEAD"
                and reply.status >= 200
                and reply.status not in (204, 304)
            ):
                framing = b"content-length: 0\r\n"
            await phone.send(phone.reply_head(request, reply, framing, attempt) + rest)
            return reply.keep_alive
        return await self._stream(phone, request, head, channel, reply, rest, attempt, fetch)

    async def _stream(
        self,
        phone: "PhoneConnection",
        request: Request,
        head: Head,
        channel: Channel,
        reply: ReplyHead,
        rest: bytes,
        attempt: Try,
        fetch: Fetch | None,
    ) -> bool:
        phone.status = reply.status
        body: Body
        chunked = False
        if reply.length >= 0:
            body = LengthBody(reply.length)
            framing = b"content-length: %d\r\n" % reply.length
        else:
            body = ChunkedBody() if reply.length == CHUNKED else UntilCloseBody()
            chunked = head.line.version == b"1.1"
            framing = answers.CHUNKED_LINE if chunked else b""
            phone.keep_alive = phone.keep_alive and chunked
        pending = phone.reply_head(request, reply, framing, attempt)
        data = rest
        while True:
            try:
                pieces = body.feed(data) if data else []
            except Refused as error:
                raise Failure("UPE", f"the body of the answer is malformed: {error}", sent=True) from error
            for piece in pieces:
                if fetch is not None:
                    fetch.data(piece)
                pending += chunk(piece) if chunked else piece
            if body.complete:
                break
            if pending:
                await phone.send(pending)
                pending = b""
            phone.wait_for_service(time.monotonic() + channel.way.config.try_timeout_s)
            data = await channel.receive()
            if not data:
                if reply.length == UNTIL_CLOSE and not channel.expired:
                    body.complete = True
                    break
                flag = "UT" if channel.expired else "UC"
                raise Failure(flag, "the service broke off inside the body of its answer", sent=True)
        pending += LAST_CHUNK if chunked else b""
        if pending:
            await phone.send(pending)
        return reply.keep_alive and not body.rest


async def _send_body(
    phone: "PhoneConnection", head: bytes, body: PhoneBody, channel: Channel, deadline: float
) -> bytes:
    pending = head
    for piece in list(body.held):
        pending += chunk(piece) if body.length == CHUNKED else piece
    while True:
        if not body.complete and len(pending) == len(head):
            # Nothing but the head yet: let it travel with the first piece.
            piece = await body.piece()
            if piece:
                pending += chunk(piece) if body.length == CHUNKED else piece
        phone.wait_for_service(deadline)
        if body.complete and body.length == CHUNKED:
            pending += LAST_CHUNK
        await channel.send(pending)
        pending = b""
        if body.complete:
            return b""
        early = channel.receive_now()
        if early:
            # The service answers before it has heard all: pass that on, and read no more.
            phone.keep_alive = False
            return early
        if early == b"":
            raise PeerGone
        piece = await body.piece()
        # The clock of the try runs while the service thinks, not while the phone sends.
        deadline = time.monotonic() + channel.way.config.try_timeout_s
        if piece:
            pending = chunk(piece) if body.length == CHUNKED else piece


def _split(weights: Mapping[str, float], request: Request, dice: Random) -> str:
    """The cluster of a canary: an account stays where it was dealt, others are dealt each time."""
    total = sum(weights.values())
    mark = dice.random() * total
    if request.account is not None:
        # Fibonacci hashing spreads neighbouring account numbers over the whole range.
        mark = request.account * 0x9E3779B97F4A7C15 % 2**64 / 2**64 * total
    for name, weight in weights.items():
        mark -= weight
        if mark < 0:
            return name
    return next(reversed(list(weights)))
