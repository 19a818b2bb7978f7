"""Let a healthy service behave like a sick one.  [I/O]

Plays what `edge.common.faults` decided, at the two places where HTTP can be hurt:
the answers a service gives (`befall`) and the questions it asks (`befall_question`).
The span of the request names the fault, so nobody hunts for a bug that was ordered.
"""

import socket
import struct
from collections.abc import AsyncGenerator

import trio

from edge.common.errors import EdgeError
from edge.common.fault_hook import stall
from edge.common.faults import Strike
from edge.common.http_messages import Handler, HttpRequest, HttpResponse, problem
from edge.common.spans import Attribute

# A caller who waits for ever is the caller's fault, but the task and the connection are ours.
HANG_MAX_S = 60.0
# Slices of a slowed answer: small enough to look smooth, large enough to be few.
SLICES_PER_S = 20.0


class CutOff(EdgeError):
    """The connection is to end with a reset instead of an answer."""

    blame = "edge"
    retryable = True
    status_hint = None


class QuestionLost(EdgeError):
    """A fault between two services swallowed or answered the question."""

    blame = "edge"
    retryable = True
    status_hint = 503


async def befall(strike: Strike, request: HttpRequest, handler: Handler) -> HttpResponse:
    """The answer as `strike` leaves it.  Raises `CutOff`."""
    _tell(strike, request.attributes)
    with trio.move_on_after(HANG_MAX_S):
        await stall(strike)
    if strike.reset or strike.hang:
        raise CutOff("a fault cut this connection off")
    if strike.status:
        return problem(strike.status, "fault", "a fault was ordered here", trace_id=request.trace.trace_id)
    response = await handler(request)
    if strike.bytes_per_s and isinstance(response.body, bytes) and response.body:
        body = _slowly(response.body, strike.bytes_per_s)
        return HttpResponse(response.status, body, response.headers, length=response.length)
    return response


async def befall_question(strike: Strike, request: HttpRequest, timeout_s: float) -> None:
    """What `strike` does to a question on its way.  Raises `QuestionLost`."""
    _tell(strike, request.attributes)
    with trio.move_on_after(timeout_s):
        await stall(strike)
    if strike.reset or strike.hang:
        raise QuestionLost("a fault cut the connection")
    if strike.status:
        raise QuestionLost(f"a fault answered {strike.status}")


def reset_on_close(stream: trio.abc.Stream) -> None:
    """Make closing `stream` send RST, as a crashed machine's kernel would."""
    if isinstance(stream, trio.SocketStream):
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def _slowly(body: bytes, bytes_per_s: float) -> AsyncGenerator[bytes, None]:
    slice_bytes = max(1, int(bytes_per_s / SLICES_PER_S))
    for start in range(0, len(body), slice_bytes):
        piece = body[start : start + slice_bytes]
        await trio.sleep(len(piece) / bytes_per_s)
        yield piece


def _tell(strike: Strike, attributes: dict[str, Attribute]) -> None:
    if not strike.ids:
        return  # a drill's: to be found, not to be read
    attributes["edge.fault.id"] = ",".join(strike.ids)
    attributes["edge.flag"] = "FI" if strike.status or strike.reset or strike.hang else "DI"
