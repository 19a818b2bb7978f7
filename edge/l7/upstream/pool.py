"""Over which connection does a request go to its endpoint?  [I/O]

Kept-alive, non-blocking TCP connections, most recently used first: those at the
bottom grow old and are closed, so a pool shrinks to what is needed.

The keep-alive race: a service may close an idle connection at the moment we use
it.  We close ours earlier (`idle_timeout_s` is shorter than the service's own),
a sweep drops those that the service has closed, and what is left is recognised
by the caller: a *reused* connection that ends before its first byte.

State: idle channels per address, and per cluster how many are in use; bounded by
`connections_max` with a queue of `pending_max` in front, which waits no longer than
`connect_timeout_s`.
"""

import errno
import socket
from collections import deque
from typing import Final

import trio

from edge.common.config import ClusterConfig
from edge.common.errors import EdgeError
from edge.l7.poller import Poller
from edge.l7.transport import UPSTREAM, Transport

# Room for a usual answer.  Python allocates all of it before it reads: with 64 KiB the heap grew and shrank
# (two brk() and sixteen fresh pages) at every eighth request.
READ_BYTES: Final = 16 * 1024
# For the rest of an answer that did not fit: fewer calls per megabyte.
STREAM_BYTES: Final = 64 * 1024
_IN_PROGRESS: Final = (errno.EINPROGRESS, errno.EALREADY, errno.EWOULDBLOCK)


class ConnectFailed(EdgeError):
    """The endpoint cannot be reached; nothing was sent."""

    blame = "service"
    retryable = True
    status_hint = 502

    def __init__(self, message: str, *, timed_out: bool = False) -> None:
        super().__init__(message)
        self.timed_out = timed_out


class Overflow(EdgeError):
    """All connections of the cluster are in use and the queue in front is full or too slow."""

    blame = "edge"
    status_hint = 503


class Channel(Transport):
    """One connection to one endpoint."""

    __slots__ = ("address", "idle_since", "uses", "way")

    def __init__(self, sock: socket.socket, address: str, way: "Way", poller: Poller) -> None:
        super().__init__(sock, poller, READ_BYTES)
        self.phase = UPSTREAM
        self.address = address
        self.way = way
        self.uses = 0
        self.idle_since = 0.0


class Way:
    """The connections of one cluster."""

    def __init__(self, config: ClusterConfig, poller: Poller) -> None:
        self.config = config
        self._poller = poller
        self.in_use = 0
        self.opened = 0
        self._idle: dict[str, list[Channel]] = {}
        self._queue: deque[trio.lowlevel.Task] = deque()

    def take(self, address: str, now: float) -> Channel | None:
        """An idle connection to `address`, if there is one and room to use it."""
        idle = self._idle.get(address)
        while idle and self.in_use < self.config.connections_max:
            channel = idle.pop()
            if now - channel.idle_since < self.config.idle_timeout_s and not channel.stale:
                self.in_use += 1
                return channel
            channel.close()
        return None

    async def open(self, address: str) -> Channel:
        """A new connection to `address`.  Raises `ConnectFailed` or `Overflow`."""
        if self.in_use >= self.config.connections_max:
            await self._wait_for_room()
        self.in_use += 1
        try:
            sock = await _connect(address, self.config.connect_timeout_s)
        except BaseException:
            self._leave()
            raise
        self.opened += 1
        return Channel(sock, address, self, self._poller)

    def give_back(self, channel: Channel, again: bool, now: float) -> None:
        """The exchange is over; `again`: the connection may be used once more."""
        if not again:
            channel.close()
            self._leave()
            return
        channel.uses += 1
        channel.idle_since = now
        channel.read_bytes = READ_BYTES
        if channel.stale:
            # Reported while we wrote to the phone, and read since.  If there is more, it is reported again.
            channel.watch.arm()
        idle = self._idle.get(channel.address)
        if idle is None:
            idle = self._idle[channel.address] = []
        idle.append(channel)
        self._leave()

    def sweep(self, now: float) -> None:
        """Close what is too old, and what the services have closed."""
        oldest = now - self.config.idle_timeout_s
        for address, channels in list(self._idle.items()):
            # An idle connection has nothing to say: what it has is its end, or nonsense.
            kept = [channel for channel in channels if channel.idle_since > oldest and not channel.stale]
            if len(kept) == len(channels):
                continue
            for channel in channels:
                if channel not in kept:
                    channel.close()
            if kept:
                self._idle[address] = kept
            else:
                del self._idle[address]

    def forget(self, address: str) -> None:
        """The endpoint is gone: its idle connections with it."""
        for channel in self._idle.pop(address, ()):
            channel.close()

    def close(self) -> None:
        """The worker ends."""
        for address in list(self._idle):
            self.forget(address)

    def idle_count(self) -> int:
        """How many connections wait to be used."""
        return sum(map(len, self._idle.values()))

    async def _wait_for_room(self) -> None:
        if len(self._queue) >= self.config.pending_max:
            raise Overflow("the queue in front of the service is full")
        task = trio.lowlevel.current_task()
        self._queue.append(task)

        def abort(_: object) -> trio.lowlevel.Abort:
            self._queue.remove(task)
            return trio.lowlevel.Abort.SUCCEEDED

        # A scope only here, where the request waits anyway.
        with trio.move_on_after(self.config.connect_timeout_s):
            await trio.lowlevel.wait_task_rescheduled(abort)
            return
        raise Overflow("no connection to the service became free in time")

    def _leave(self) -> None:
        self.in_use -= 1
        if self._queue:
            trio.lowlevel.reschedule(self._queue.popleft())


async def _connect(address: str, timeout_s: float) -> socket.socket:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with trio.move_on_after(timeout_s) as scope:
            if not host.replace(".", "").isdigit() and family == socket.AF_INET:
                # A name, of an application behind the edge; our own services announce numbers.
                found = await trio.socket.getaddrinfo(host, int(port), family, socket.SOCK_STREAM)
                host = str(found[0][4][0])
            error = sock.connect_ex((host, int(port)))
            if error in _IN_PROGRESS:
                await trio.lowlevel.wait_writable(sock)
                error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if scope.cancelled_caught:
            raise ConnectFailed(f"{address} did not accept within {timeout_s} s", timed_out=True)
        if error:
            raise ConnectFailed(f"{address}: {errno.errorcode.get(error, error)}")
    except (OSError, ValueError) as error:
        sock.close()
        raise ConnectFailed(f"{address}: {error}") from error
    except BaseException:
        sock.close()
        raise
    return sock
