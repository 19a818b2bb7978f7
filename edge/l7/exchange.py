"""One try at one endpoint: the request out, the answer back to the phone.  [I/O]

Framing is never passed on: lengths are read, checked and written anew in each
direction.  Bodies go through in the pieces in which they arrive; whoever reads
slowly slows its sender down, because the next piece is read only when the last
one has been taken.  An answer that fits into one read leaves in one write.
"""

import time
from typing import TYPE_CHECKING, Final

from edge.l7 import answers
from edge.l7.http1.body import LAST_CHUNK, Body, ChunkedBody, LengthBody, UntilCloseBody, chunk
from edge.l7.http1.head import Head
from edge.l7.http1.reply_head import HEAD_BYTES_MAX, UNTIL_CLOSE, BadReply, ReplyHead, ReplyMemo
from edge.l7.http1.rules import CHUNKED, Refused
from edge.l7.phone_body import PhoneBody
from edge.l7.record import Try
from edge.l7.request import Request
from edge.l7.transport import PeerGone
from edge.l7.tunnel import tunnel
from edge.l7.upstream.pool import STREAM_BYTES, Channel
from edge.l7.upstream.retry import IDEMPOTENT, is_unprocessed
from edge.l7.verdict import Answer

if TYPE_CHECKING:
    from edge.l7.connection import PhoneConnection
    from edge.l7.forward import Trip

# An informational answer costs a round; a service that sends more than this is broken.
_INFORMATIONAL_MAX: Final = 16


class Failure(Exception):
    """One try failed.

    `sent`: may the service have seen the request?  `stale`: it was the keep-alive
    race.  `blame`: does the endpoint's health suffer from it?
    """

    def __init__(self, flag: str, why: str, *, sent: bool, stale: bool = False, blame: bool = True) -> None:
        super().__init__(why)
        self.flag = flag
        self.why = why
        self.sent = sent
        self.stale = stale
        self.blame = blame


async def exchange(
    phone: "PhoneConnection",
    request: Request,
    head: Head,
    body: PhoneBody | None,
    trip: "Trip",
    memo: ReplyMemo,
) -> bool:
    """Send the request and pass the answer on; True when the channel may be used again.

    Raises `Failure`, `PeerGone` (the phone left) and `Refused` (its body is at fault).
    """
    channel, attempt, deadline, early = trip.channel, trip.attempt, trip.until, trip.early
    assert channel is not None and attempt is not None, "a try has begun"
    phone.wait_for_service(deadline)
    if not attempt.sent_ns:
        if not trip.half_sent:
            attempt.asked = phone.request_head(request, head, body, attempt, deadline)
        data = attempt.asked
        if body is not None:
            early = await _send_with_body(phone, request, data, body, channel, deadline)
        elif trip.half_sent or not channel.send_now(data):
            try:
                await channel.send_rest()
            except PeerGone as error:
                raise _broken(channel, "while the request was sent") from error
        attempt.sent_ns = time.monotonic_ns()
    reply, rest = await _reply_head(phone, request, channel, attempt, early, memo, head.line.version)
    # Answered before it has heard all of the body, the service still waits for the rest, and would take the
    # head of the next request for it.
    unheard = bool(early) and body is not None
    if is_unprocessed(reply):
        # Whatever the method: nothing has been done yet, and the service says so itself.
        raise Failure("UD", f"{attempt.endpoint} drains and has not begun it", sent=False, blame=False)
    if _try_elsewhere(phone, request, reply):
        raise Failure("UH", f"{attempt.endpoint} answered 503", sent=True)
    if unheard and body is not None and not body.complete:
        phone.keep_alive = False  # nobody will read the rest of it
    if reply.status == 101:
        if not head.upgrade:
            raise Failure("UPE", "the service switched protocols unasked", sent=True)
        switched = phone.reply_head(request, reply, b"", attempt, upgrade=True)
        await tunnel(phone, switched, channel, rest, reply.upgrade)
        return False
    if phone.worker.stages.waf.reads_answer(request):
        withheld, rest = await _read_first(phone, request, channel, reply, rest)
        if withheld is not None:
            await phone.send_answer(request, withheld)
            return reply.keep_alive and len(rest) == reply.length and not unheard
    fetch = request.fetch
    if fetch is not None:
        ours = fetch.response(reply.status, reply.fields, time.monotonic(), phone.unix_now())
        if ours is not None:
            await phone.send_answer(request, ours)
            return reply.keep_alive and reply.length == 0 and not rest and not unheard
    if len(rest) != reply.length:
        return await _stream(phone, request, head, channel, reply, rest, attempt) and not unheard
    # The usual case: all of it is here, and one write does.
    if fetch is not None and rest:
        fetch.data(rest)
    message = phone.whole_reply(request, reply, rest, attempt)
    if not phone.transport.send_now(message):
        await phone.transport.send_rest()
    return reply.keep_alive and not unheard


def needs_patience(phone: "PhoneConnection", request: Request, reply: ReplyHead) -> bool:
    """Is there more to do about this answer than to pass it on?"""
    if reply.status < 200 or phone.worker.stages.waf.reads_answer(request):
        return True
    return reply.status == 503 and (is_unprocessed(reply) or _try_elsewhere(phone, request, reply))


def _try_elsewhere(phone: "PhoneConnection", request: Request, reply: ReplyHead) -> bool:
    # A service that drains answers 503; another copy may well answer properly.  Once only.
    return reply.status == 503 and len(phone.tries) == 1 and request.method in IDEMPOTENT


def _broken(channel: Channel, when: str) -> Failure:
    """The connection to the service ended; on a kept-alive one that is nobody's fault."""
    return Failure("UC", f"the connection to the service ended {when}", sent=True, stale=channel.uses > 0)


async def _reply_head(
    phone: "PhoneConnection",
    request: Request,
    channel: Channel,
    attempt: Try,
    data: bytes,
    memo: ReplyMemo,
    version: bytes,
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
                    why = f"no answer from {attempt.endpoint} within the time for one try"
                    raise Failure("UT", why, sent=True)
                if data:
                    raise Failure("UC", "the connection broke inside the head of the answer", sent=True)
                raise _broken(channel, "before the answer")
            data = data + more if data else more
        if not attempt.first_ns:
            attempt.first_ns = time.monotonic_ns()
        try:
            attempt.answered = data[: end + 4]
            reply = memo.judge(attempt.answered, request.method, request.trace.trace_id)
        except BadReply as error:
            raise Failure("UPE", str(error), sent=True) from error
        data = data[end + 4 :]
        if reply.status >= 200 or reply.status == 101:
            attempt.status = reply.status
            return reply, data
        is_read = phone.worker.stages.waf.reads_answer(request)
        if reply.status != 100 and version == b"1.1" and not is_read:
            # RFC 9110 section 15.2: pass on what we did not ask for ourselves, such as 103 Early Hints.  But
            # where the firewall reads answers, nothing gets past it.
            await phone.transport.send(answers.status_line(reply.status) + reply.forward + b"\r\n")
            phone.wait_for_service(time.monotonic() + channel.way.config.try_timeout_s)
    raise Failure("UPE", "the service sends informational answers only", sent=True)


async def _read_first(
    phone: "PhoneConnection", request: Request, channel: Channel, reply: ReplyHead, rest: bytes
) -> tuple[Answer | None, bytes]:
    """Let the firewall read an answer, or its beginning, before the phone does.

    Returns what the phone gets instead (None: nothing else), and what has been read of the answer by now,
    framing included, to be passed on as if it had come at once.
    """
    wanted = phone.worker.stages.waf.answer_bytes_wanted(reply.fields)
    body = _body_of(reply)
    content: list[bytes] = []
    read, here = [rest], 0
    data = rest
    while wanted and not body.complete:
        pieces = _fed(body, data)
        content += pieces
        here += sum(map(len, pieces))
        if body.complete or here >= wanted:
            break
        data = await _more(phone, channel, reply)
        if not data:
            break
        read.append(data)
    answer = await phone.worker.inspections.answer(request, reply, b"".join(content)[:wanted])
    return answer, b"".join(read)


def _body_of(reply: ReplyHead) -> Body:
    if reply.length >= 0:
        return LengthBody(reply.length)
    return ChunkedBody() if reply.length == CHUNKED else UntilCloseBody()


def _fed(body: Body, data: bytes) -> list[bytes]:
    try:
        return body.feed(data) if data else []
    except Refused as error:
        raise Failure("UPE", f"the body of the answer is malformed: {error}", sent=True) from error


async def _more(phone: "PhoneConnection", channel: Channel, reply: ReplyHead) -> bytes:
    """What comes next of the body; nothing where the end of the connection is its end."""
    phone.wait_for_service(time.monotonic() + channel.way.config.try_timeout_s)
    data = await channel.receive()
    if data or (reply.length == UNTIL_CLOSE and not channel.expired):
        return data
    flag = "UT" if channel.expired else "UC"
    raise Failure(flag, "the service broke off inside the body of its answer", sent=True)


async def _stream(
    phone: "PhoneConnection",
    request: Request,
    head: Head,
    channel: Channel,
    reply: ReplyHead,
    rest: bytes,
    attempt: Try,
) -> bool:
    """Pass on an answer whose body is not all here yet."""
    phone.status = reply.status
    channel.read_bytes = STREAM_BYTES
    fetch = request.fetch
    body = _body_of(reply)
    chunked = False
    if reply.length >= 0:
        framing = b"content-length: %d\r\n" % reply.length
    else:
        chunked = head.line.version == b"1.1"
        framing = answers.CHUNKED_LINE if chunked else b""
        # HTTP/1.0 knows no chunks: the end of the connection is the end of the body.
        phone.keep_alive = phone.keep_alive and chunked
    pending = [phone.reply_head(request, reply, framing, attempt)]
    data = rest
    while True:
        for piece in _fed(body, data):
            if fetch is not None:
                fetch.data(piece)
            pending.append(chunk(piece) if chunked else piece)
        if body.complete:
            break
        if pending:
            await phone.send(b"".join(pending))
            pending = []
        data = await _more(phone, channel, reply)
        if not data:
            break
    if chunked:
        pending.append(LAST_CHUNK)
    if pending:
        await phone.send(b"".join(pending))
    return reply.keep_alive and not body.rest


async def _send_with_body(
    phone: "PhoneConnection",
    request: Request,
    head: bytes,
    body: PhoneBody,
    channel: Channel,
    deadline: float,
) -> bytes:
    """Send head and body; returns what of the answer came while the body was still on its way."""
    if request.method not in IDEMPOTENT and channel.uses and channel.receive_now() is not None:
        # Not to be repeated, so look first whether the service has closed this connection.
        raise Failure("UC", "a kept-alive connection had been closed", sent=False, stale=True)
    chunked = body.length == CHUNKED
    pending = [head, *(chunk(piece) if chunked else piece for piece in body.held)]
    piece = b""
    if len(pending) == 1 and not body.complete:
        # Let the head travel with the first piece.
        piece = await body.piece()
    while True:
        if piece:
            pending.append(chunk(piece) if chunked else piece)
        if chunked and body.complete:
            pending.append(LAST_CHUNK)
        phone.wait_for_service(deadline)
        try:
            await channel.send(b"".join(pending))
        except PeerGone as error:
            early = channel.receive_now()  # it may have said why before it closed
            if early:
                return early
            raise _broken(channel, "while the request was sent") from error
        if body.complete:
            return b""
        early = channel.receive_now()
        if early:
            return early
        if early == b"":
            raise _broken(channel, "while the body was sent")
        piece = await body.piece()
        pending = []
        # The clock of the try runs while the service thinks, not while the phone sends.
        deadline = time.monotonic() + channel.way.config.try_timeout_s
