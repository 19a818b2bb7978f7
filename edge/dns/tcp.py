"""DNS over TCP: messages with a length before each, several to a connection.  [I/O]

RFC 7766.  Phones come here when a reply was truncated.  The connections are few
and short, so each may have a task of its own; what bounds them is their number,
the size of a query, and the time they may be idle.
"""

import errno
import socket
from collections.abc import Awaitable, Callable

import trio

from edge.common.proxy_protocol import ProxyProtocolError, parse

# More at once than this and the newest is closed: a truncated reply's second try can wait.
CONNECTIONS_MAX = 256
# One address may hold an eighth of them, so it takes eight hosts to lock the others out.
CONNECTIONS_PER_SOURCE_MAX = 32
QUERY_BYTES_MAX = 4096
# Accept errors such as "too many open files" pass by themselves, but not at once.
ACCEPT_PAUSE_S = 0.05

Answer = Callable[[bytes, str], bytes | None]
Talk = Callable[[trio.abc.Stream, str, Answer, float], Awaitable[None]]


async def serve(
    listener: socket.socket, answer: Answer, idle_timeout_s: float, *, behind_l4: bool = False
) -> None:
    """Accept and answer for ever; `answer(data, source)` returns the reply or None.

    `behind_l4`: each connection begins with a PROXY header, and the source is who that names.
    """
    held: dict[str, int] = {}
    async with trio.open_nursery() as nursery:
        while True:
            await trio.lowlevel.wait_readable(listener)
            try:
                opened, address = listener.accept()
            except BlockingIOError:
                continue  # a sibling was faster
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    await trio.sleep(ACCEPT_PAUSE_S)
                continue
            source = address[0]
            # Behind an L4 all come from one address, and the L4 counts the real ones.
            per_source = CONNECTIONS_MAX if behind_l4 else CONNECTIONS_PER_SOURCE_MAX
            if sum(held.values()) >= CONNECTIONS_MAX or held.get(source, 0) >= per_source:
                opened.close()
                continue
            held[source] = held.get(source, 0) + 1
            opened.setblocking(False)
            talk = introduced if behind_l4 else converse
            nursery.start_soon(
                _hold, trio.socket.from_stdlib_socket(opened), source, answer, idle_timeout_s, held, talk
            )


async def _hold(
    opened: trio.socket.SocketType,
    source: str,
    answer: Answer,
    idle_timeout_s: float,
    held: dict[str, int],
    talk: Talk,
) -> None:
    try:
        async with trio.SocketStream(opened) as stream:
            await talk(stream, source, answer, idle_timeout_s)
    except trio.BrokenResourceError:
        pass  # the phone went away
    finally:
        held[source] -= 1
        if not held[source]:
            del held[source]


async def introduced(stream: trio.abc.Stream, source: str, answer: Answer, idle_timeout_s: float) -> None:
    """Read the PROXY header of our L4 (at `source`), then converse with whom it names.

    A probe of the L4 names nobody and ends; so does whatever begins otherwise.
    """
    with trio.move_on_after(idle_timeout_s) as patience:
        found = await _read_header(stream)
    if patience.cancelled_caught or found is None:
        return
    phone, early = found
    await converse(stream, phone, answer, idle_timeout_s, early)


async def _read_header(stream: trio.abc.Stream) -> tuple[str, bytes] | None:
    data = b""
    while True:
        try:
            found = parse(data)
        except ProxyProtocolError:
            return None
        if found is not None:
            header, size = found
            return None if header.source is None else (header.source.address, data[size:])
        chunk = await stream.receive_some(QUERY_BYTES_MAX)
        if not chunk:
            return None
        data += chunk


async def converse(
    stream: trio.abc.Stream, source: str, answer: Answer, idle_timeout_s: float, early: bytes = b""
) -> None:
    """Answer the messages of one connection until it ends, is idle, or talks nonsense.

    `early` has been read already.
    """
    buffer = bytearray(early)
    while True:
        # One deadline for a whole message: a byte now and then does not keep a connection alive.
        with trio.move_on_after(idle_timeout_s) as patience:
            message = await _read_message(stream, buffer)
        if patience.cancelled_caught or message is None:
            return
        reply = answer(message, source)
        if reply is None:
            return
        with trio.move_on_after(idle_timeout_s) as patience:
            await stream.send_all(len(reply).to_bytes(2, "big") + reply)
        if patience.cancelled_caught:
            return


async def _read_message(stream: trio.abc.Stream, buffer: bytearray) -> bytes | None:
    while True:
        if len(buffer) >= 2:
            size = int.from_bytes(buffer[:2], "big")
            if size > QUERY_BYTES_MAX:
                return None
            if len(buffer) >= 2 + size:
                message = bytes(buffer[2 : 2 + size])
                del buffer[: 2 + size]
                return message
        chunk = await stream.receive_some(QUERY_BYTES_MAX)
        if not chunk:
            return None
        buffer += chunk
