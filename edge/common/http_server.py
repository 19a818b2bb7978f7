"""Serve HTTP/1.1 to the tier in front of us.  [I/O]

One task per connection (`edge.common.http_connection`), one request at a time.

Draining: `/readyz` turns 503 at once and every answer says `Connection: close`,
but for `GRACE_S` we still accept and let idle connections be, because the
balancers in front need a moment to hear of it and a request that meets a closed
door is an error that nobody had to make.  Then idle connections are closed,
requests whose bodies are still on their way are given back (503 with
`Edge-Unprocessed`), the others are finished, and `serve_http` returns.

When all `connections_max` are taken nobody is accepted: the next caller waits in
the kernel's backlog, where it costs nothing.
"""

import errno

import trio

from edge.common.http_connection import serve_connection
from edge.common.http_faults import reset_on_close
from edge.common.http_host import Host, Limits
from edge.common.http_messages import Handler
from edge.common.process import Process

# How long a draining service still accepts: half a beat of the control channel.
GRACE_S = 0.5
# Too many open files passes when somebody closes one; asking again at once only burns CPU.
ACCEPT_PAUSE_S = 0.1

_FULL = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}


async def serve_http(
    listeners: list[trio.SocketListener], handler: Handler, process: Process, limits: Limits | None = None
) -> None:
    """Answer requests until the process drains and the last request is done.

    Closes the listeners.  `/healthz` and `/readyz` are answered here, everything
    else by `handler`.
    """
    host = Host(handler, process, limits or Limits())
    room = trio.CapacityLimiter(host.limits.connections_max)
    async with trio.open_nursery() as connections:
        try:
            async with trio.open_nursery() as accepting:
                for listener in listeners:
                    accepting.start_soon(_accept, listener, host, room, connections)
                await process.draining.wait()
                await trio.sleep(GRACE_S)
                accepting.cancel_scope.cancel()
        finally:
            for listener in listeners:
                listener.socket.close()
        host.closing = True
        for scope in list(host.waiting):
            scope.cancel()


async def _accept(
    listener: trio.SocketListener, host: Host, room: trio.CapacityLimiter, connections: trio.Nursery
) -> None:
    while True:
        seat = object()
        await room.acquire_on_behalf_of(seat)
        try:
            stream = await listener.accept()
        except BaseException as error:
            room.release_on_behalf_of(seat)
            if not isinstance(error, OSError) or error.errno not in _FULL:
                raise
            host.log.warning("http.accept", error=str(error))
            await trio.sleep(ACCEPT_PAUSE_S)
            continue
        connections.start_soon(_serve, stream, host, room, seat)


async def _serve(stream: trio.SocketStream, host: Host, room: trio.CapacityLimiter, seat: object) -> None:
    try:
        if host.refuses():
            reset_on_close(stream)
            await trio.aclose_forcefully(stream)
            return
        await serve_connection(stream, host)
    finally:
        room.release_on_behalf_of(seat)
