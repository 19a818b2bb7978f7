"""What a service receives is what h11 judged: checked on as many broken requests as one has time for.

    python -m tests.kit.differential --inputs 1000000 --seed 2026

One input goes three ways.  Through the memory and through the plain judge, which must
say the same.  And, where it is good, onwards as the edge would send it: head written
anew, body read piece by piece and framed anew.  What h11 then reads as the *service*
must be what h11 reads in the phone's own bytes: method, target in its normal form,
fields but for those that end here, content, and where the next request begins.

Inputs are the cases of `tests/l7/http1/malformed_cases` and bodies of chunks, with up
to three edits each: cut, doubled, joined, and salted with what parsers quarrel about.
"""

import argparse
import itertools
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import h11

from edge.common.config import RouteConfig
from edge.l7.http1.body import LAST_CHUNK, Body, ChunkedBody, LengthBody, chunk
from edge.l7.http1.head import Head, judge, split_head
from edge.l7.http1.memo import HeadMemo
from edge.l7.http1.rules import CHUNKED, HeadLimits, Refused, is_forged
from edge.l7.outgoing import Heads
from edge.l7.record import Flow
from edge.l7.request import Request
from edge.l7.stages.normalise import Normalise
from edge.l7.stages.route_table import make_route
from tests.kit.l7_worker import handover
from tests.l7.http1.malformed_cases import CASES

SALT = (
    b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\n\n", b"\x00", b" ", b"\t", b"\x0b", b"\x7f", b"\xff",
    b":", b";", b",", b"#", b"%", b"0", b"1", b"a", b"0\r\n\r\n", b"5\r\nhello\r\n", b"Host: b\r\n",
    b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n",
    b"Connection: x-a\r\n", b"Expect: 100-continue\r\n", b"Upgrade: websocket\r\n", b"X-A: b\r\n",
    b"traceparent: 00-%032x-%016x-01\r\n" % (1, 2), b"\r\ntraceparent: 00-%032x-%016x-01" % (3, 4),
    b" HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: c\r\n\r\n", b"../", b"%2e",
)  # fmt: skip
# Ends at the edge, or is written by it: RFC 9110 section 7.6.1 and `edge.l7.http1.rules`.
ENDS_HERE = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer"
    b" transfer-encoding upgrade content-length expect".split()
)
WRITTEN = frozenset(
    b"content-length transfer-encoding connection upgrade via forwarded x-forwarded-host x-forwarded-for"
    b" x-forwarded-proto traceparent x-request-id edge-deadline-ms tracestate".split()
)
LIMITS = HeadLimits()
ROUTE = make_route(RouteConfig(path="/*", cluster="toy"))


class Differs(AssertionError):
    """The two readings are not the same."""


@dataclass
class Reading:
    """One request as h11 reads it."""

    event: h11.Request | None = None
    content: bytes = b""
    complete: bool = False
    broken: bool = False
    rest: bytes = b""


@dataclass
class Found:
    """What was tried."""

    counts: Counter[str] = field(default_factory=Counter)
    asked_h11: int = 0


class Differential:
    """One memory, and the two ways through it."""

    def __init__(self, seed: int) -> None:
        self.memo = HeadMemo(LIMITS, 512, 256 * 1024)
        self.found = Found()
        self._dice = Random(seed)
        self._normalise = Normalise()
        self._heads = Heads(b"l7-1", Flow(handover(1, ("198.51.100.7", 4711)), 0), encrypted=True)
        self._bases = [data for _, _, data, _ in CASES if len(data) < 3000]
        self._good = [data for _, _, data, status in CASES if status == 200 and len(data) < 3000]

    def run(self, inputs: int) -> Found:
        """So many inputs.  Raises `Differs`, or whatever the edge raises: both are bugs."""
        for _ in range(inputs):
            data = self.draw()
            try:
                self.check(data)
            except Exception as error:
                raise Differs(f"{error!r} for {data!r}") from error
        self.found.asked_h11 = self.memo.judged
        return self.found

    # -- inputs ---------------------------------------------------------------------------

    def draw(self) -> bytes:
        """One request, more or less."""
        dice = self._dice
        data = bytearray(dice.choice(self._good if dice.random() < 0.5 else self._bases))
        if dice.random() < 0.4:
            data = bytearray(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(dice.randrange(4)):
                data += chunk(dice.randbytes(dice.randrange(1, 40)))
            data += dice.choice((b"0\r\n\r\n", b"0\r\na: b\r\n\r\n", b"00\r\n\r\n", b"0;x\r\n\r\n", b""))
        for _ in range(dice.randrange(4)):
            self._edit(data)
        return bytes(data)

    def _edit(self, data: bytearray) -> None:
        dice = self._dice
        at = dice.randrange(len(data) + 1)
        match dice.randrange(6):
            case 0 | 1:
                data[at:at] = dice.choice(SALT)
            case 2:
                del data[at : at + dice.randrange(1, 5)]
            case 3:
                data[at : at + 1] = dice.choice(SALT)
            case 4:
                data[at:at] = data[max(0, at - dice.randrange(1, 30)) : at]
            case _:
                data[at:] = dice.choice(self._bases)

    # -- what must hold ---------------------------------------------------------------------

    def check(self, data: bytes) -> None:
        """Everything about one input."""
        counts = self.found.counts
        counts["inputs"] += 1
        try:
            split = split_head(data, LIMITS)
        except Refused:
            counts["refused before the end of the head"] += 1
            return
        if split is None:
            counts["incomplete heads"] += 1
            return
        counts["whole heads"] += 1
        raw, rest = split
        plain = _verdict(lambda head: judge(head, LIMITS), raw)
        for _ in range(2):
            if _verdict(self.memo.judge, raw) != plain:
                raise Differs("memory and judge disagree")
        if not isinstance(plain, Head):
            return
        counts["good heads"] += 1
        self._check_onwards(plain, raw, rest)

    def _check_onwards(self, head: Head, raw: bytes, rest: bytes) -> None:
        request = Request(head.line.method, head.line.target, head.block.fields, host=head.block.host)
        if self._normalise(request, 0.0, 0.0) is not None:
            self.found.counts["paths refused"] += 1
            return
        request.route = ROUTE
        pieces, complete, refused, behind = self._body(head, rest)
        chunked = head.body == CHUNKED
        message = self._heads.for_service(request, head, head.body, "0" * 16, 1.0)
        message += b"".join(chunk(piece) if chunked else piece for piece in pieces)
        if chunked and complete:
            message += LAST_CHUNK
        theirs, ours = read(raw + rest), read(message)
        if theirs.event is None or ours.event is None:
            raise Differs(f"h11 reads no request: {theirs}, {ours}")
        self._check_head(head, request, theirs.event, ours.event)
        content = b"".join(pieces)
        if ours.content != content or ours.rest or ours.broken:
            raise Differs(
                f"the service reads {ours.content!r}, sent was {content!r}; behind it {ours.rest!r}"
            )
        if refused:
            self.found.counts["bodies refused"] += 1
            if not theirs.content.startswith(content) and not theirs.broken:
                raise Differs("what went out before the refusal was not the beginning of the body")
            return
        self.found.counts["bodies complete" if complete else "bodies incomplete"] += bool(head.body)
        if (ours.content, ours.complete) != (theirs.content, theirs.complete):
            raise Differs(f"h11 reads {theirs.content!r} {theirs.complete}, the service {ours.content!r}")
        if complete and behind != theirs.rest:
            raise Differs(f"the next request begins with {behind!r}, for h11 with {theirs.rest!r}")

    def _body(self, head: Head, rest: bytes) -> tuple[list[bytes], bool, bool, bytes]:
        """Pieces, whether it is complete, whether it was refused, and what is behind it."""
        if not head.body:
            return [], True, False, rest
        body: Body = ChunkedBody() if head.body == CHUNKED else LengthBody(head.body)
        cuts = sorted(self._dice.randrange(len(rest) + 1) for _ in range(self._dice.randrange(4)))
        pieces: list[bytes] = []
        try:
            for start, end in itertools.pairwise([0, *cuts, len(rest)]):
                pieces += body.feed(rest[start:end])
        except Refused:
            return pieces, False, True, b""
        return pieces, body.complete, False, body.rest

    @staticmethod
    def _check_head(head: Head, request: Request, theirs: h11.Request, ours: h11.Request) -> None:
        if ours.method != theirs.method:
            raise Differs(f"method {theirs.method!r} became {ours.method!r}")
        path, _, query = reduced(theirs.target).partition(b"?")
        if (path != b"*" and request.path != _normal(path)) or ours.target != _target(request.path, query):
            raise Differs(f"target {theirs.target!r} became {ours.target!r}")
        nominated = {
            option.strip().lower()
            for name, value in theirs.headers
            if name == b"connection"
            for option in value.split(b",")
        } - {b"host"}
        expected = [
            (name, value)
            for name, value in theirs.headers
            if name not in ENDS_HERE and not is_forged(name) and name not in nominated
        ]
        (host, host_value), *others = ours.headers
        if host != b"host" or host_value != (head.block.host_value or b"edge"):
            raise Differs(f"Host became {host_value!r}")
        if others[: len(expected)] != expected:
            raise Differs(f"fields {expected} became {others}")
        added = [name for name, _ in others[len(expected) :]]
        if not set(added) <= WRITTEN or len(set(added)) != len(added):
            raise Differs(f"added {added}")


def read(data: bytes) -> Reading:
    """The first request in `data`, by h11."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 17)
    connection.receive_data(data)
    reading, content = Reading(), bytearray()
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                reading.event = event
            elif isinstance(event, h11.Data):
                content += event.data
            elif isinstance(event, h11.EndOfMessage):
                reading.complete = True
                reading.rest = connection.trailing_data[0]
                break
            else:
                break
    except h11.RemoteProtocolError:
        reading.broken = True
    reading.content = bytes(content)
    return reading


def reduced(target: bytes) -> bytes:
    """Absolute-form without its scheme and authority (RFC 9112 section 3.2.2)."""
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        return target
    authority_ends = min((at for at in map(rest.find, (b"/", b"?", b"#")) if at >= 0), default=len(rest))
    path = rest[authority_ends:]
    return path if path.startswith(b"/") else b"/" + path


def _normal(path: bytes) -> str:
    request = Request("GET", path, ())
    Normalise()(request, 0.0, 0.0)
    return request.path


def _target(path: str, query: bytes) -> bytes:
    return path.encode() + (b"?" + query if query else b"")


def _verdict(judged: Callable[[bytes], Head], raw: bytes) -> Head | tuple[int, str]:
    try:
        return judged(raw)
    except Refused as refused:
        return refused.status, refused.rule


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=2026)
    given = parser.parse_args()
    differential = Differential(given.seed)
    began = time.process_time()
    while (done := differential.found.counts["inputs"]) < given.inputs:
        found = differential.run(min(50_000, given.inputs - done))
        told = ", ".join(f"{count:,} {what}" for what, count in found.counts.items())
        print(
            f"{told}; h11 asked {found.asked_h11:,} times; {time.process_time() - began:.0f} s CPU",
            flush=True,
        )


if __name__ == "__main__":
    main()
