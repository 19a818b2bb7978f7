"""Bytes from and to one peer, over TCP or TLS, without a thread or a cancel scope.  [I/O]

Try first, wait only when the socket says so.  A wait is one bare suspension
(`edge.l7.poller`): Trio's streams and `SSLStream` would add a lock, a checkpoint
and, for TLS, two more copies of every byte.

Deadlines: a `Transport` has a time until which the peer must have done
something, and a phase that says what.  One task of the worker walks all of them
(`expire`).  It does not cancel: it wakes the task that waits, which reads an end
of file and finds `expired` set; a writer is woken by shutting the socket.  So a
deadline costs one assignment and no cancel scope.
"""

import fcntl
import math
import socket
import ssl
import struct
from collections.abc import Callable
from typing import Final

import trio

from edge.l7.poller import Poller
from edge.l7.tls import Tls

# TLS hands out at most one record of 16 KiB at a time.
TLS_READ_BYTES: Final = 16 * 1024
# What one write call may hold.  Larger writes would make OpenSSL encrypt all of it before the peer has
# read any, and hide from the deadline walker whether the peer reads at all.
WRITE_BYTES: Final = 64 * 1024
# What is sent without a turn for others in between: 0.3 ms of encrypting and copying.
NOW_BYTES_MAX: Final = 256 * 1024
# A peer has to take at least this much in each window; the rate is Apache mod_reqtimeout's MinRate for
# requests.  Nobody has it for answers, so slow readers hold on to HAProxy and nginx for ever.
READ_WINDOW_S: Final = 10.0
READ_RATE_MIN_BYTES_PER_S: Final = 500.0
_SIOCOUTQ: Final = 0x5411  # linux/sockios.h: bytes sent or to be sent that the peer has not acknowledged

# What we wait for; the walker's table of patience.
IDLE, HEAD, BODY, WRITE, UPSTREAM, HANDSHAKE, TUNNEL = (
    "idle", "head", "body", "write", "upstream", "handshake", "tunnel",
)  # fmt: skip

_NOTHING: Final = (b"", 0, None)
_WANT_READ: Final = (BlockingIOError, ssl.SSLWantReadError)


def _nothing() -> int:
    return 0


class PeerGone(Exception):
    """The peer closed or reset while we wrote to it; there is nobody to tell."""


class Transport:
    """One non-blocking socket."""

    __slots__ = (
        "_in_trio",
        "_pending",
        "_read",
        "_rest",
        "_taken",
        "_write",
        "bytes_in",
        "bytes_out",
        "deadline",
        "expired",
        "phase",
        "read_bytes",
        "sock",
        "tls",
        "watch",
    )

    def __init__(
        self, sock: socket.socket, poller: Poller, read_bytes: int = 64 * 1024, tls: Tls | None = None
    ) -> None:
        self.sock = sock
        self.tls = tls
        self.read_bytes = read_bytes
        self.deadline = math.inf
        self.phase = HEAD
        self.expired = ""
        self._in_trio = False  # telling Trio of an end is a system call in vain for most
        self.bytes_in = 0
        self.bytes_out = 0
        self._rest: tuple[bytes, int, OSError | None] = _NOTHING
        self._taken: tuple[float, int] | None = None  # when we began to look, and what had been taken then
        self.watch = poller.watch(sock.fileno())
        self._read: Callable[[int], bytes]
        self._write: Callable[[bytes | memoryview], int]
        self._pending: Callable[[], int]
        if tls is None:
            self._read, self._write, self._pending = sock.recv, sock.send, _nothing
        else:
            engine = tls.engine
            self._read, self._write, self._pending = engine.read, engine.write, engine.pending

    def shake_hands(self) -> bool:
        """One step of the handshake; True when it is done, False when the peer has to say something first.

        Raises `ssl.SSLWantWriteError`, and `ssl.SSLError` or `OSError` when it has failed; OpenSSL
        has then sent its alert itself.
        """
        assert self.tls is not None, "plain connections shake no hands"
        try:
            self.tls.engine.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    async def wait(self) -> None:
        """Until there is something to read: for a moment at which trying first would be in vain."""
        if not self._pending():
            await self.watch.readable()

    async def writable(self) -> None:
        """Until the kernel takes more."""
        self._in_trio = True
        await trio.lowlevel.wait_writable(self.sock)

    @property
    def pending(self) -> bool:
        """Has OpenSSL decrypted something already that nobody has read?  The kernel will not report it."""
        return self._pending() > 0

    @property
    def stale(self) -> bool:
        """Did something arrive, or did it end, while nobody read?"""
        return self.watch.stale

    async def receive(self) -> bytes:
        """The next bytes, b"" at the end (also when it was reset or ended by the walker)."""
        while True:
            try:
                data = self._read(self.read_bytes)
            except _WANT_READ:
                if self.expired:
                    return b""
                await self.watch.readable()
            except ssl.SSLWantWriteError:
                await self.writable()
            except OSError:
                return b""
            else:
                self.bytes_in += len(data)
                return data

    def receive_now(self) -> bytes | None:
        """The next bytes if there are any, None if not yet, b"" at the end."""
        try:
            data = self._read(self.read_bytes)
        except (*_WANT_READ, ssl.SSLWantWriteError):
            return None
        except OSError:
            return b""
        self.bytes_in += len(data)
        return data

    def send_now(self, data: bytes) -> bool:
        """Try to send `data`; False: call `send_rest`.  Never waits, never raises.

        Apart from `send` because most answers fit, and a call that cannot wait needs
        no coroutine.
        """
        sent, size = 0, len(data)
        try:
            sent = self._write(data if size <= WRITE_BYTES else memoryview(data)[:WRITE_BYTES])
            if sent < size:
                # OpenSSL writes one record of 16 KiB at a call.
                rest, until = memoryview(data), min(size, NOW_BYTES_MAX)
                while sent < until:
                    sent += self._write(rest[sent : sent + WRITE_BYTES])
        except (*_WANT_READ, ssl.SSLWantWriteError):
            pass
        except OSError as error:
            self.bytes_out += sent
            self._rest = (b"", 0, error)
            return False
        self.bytes_out += sent
        if sent == size:
            return True
        self._rest = (data, sent, None)
        return False

    async def send_rest(self) -> None:
        """What `send_now` could not.  Raises `PeerGone`."""
        whole, sent, broken = self._rest
        self._rest = _NOTHING
        if broken is not None:
            raise PeerGone from broken
        data = memoryview(whole)
        self.phase = WRITE
        self.deadline = math.inf  # whether the peer reads is told by `reads_too_slowly`
        while sent < len(data):
            try:
                count = self._write(data[sent : sent + WRITE_BYTES])
            except (BlockingIOError, ssl.SSLWantWriteError):
                await self.writable()
            except ssl.SSLWantReadError:
                await self.watch.readable()
            except OSError as error:
                raise PeerGone from error
            else:
                sent += count
                self.bytes_out += count

    async def send(self, data: bytes) -> None:
        """All of `data`.  Raises `PeerGone`."""
        if not self.send_now(data):
            await self.send_rest()

    def reads_too_slowly(self, now: float) -> bool:
        """Has the peer, with something to read, taken too little of it?  To be asked about once a second.

        Asks the kernel what was acknowledged; that `send` succeeds only says that there
        was room in a buffer of megabytes.
        """
        try:
            raw = fcntl.ioctl(self.sock.fileno(), _SIOCOUTQ, bytes(4))
        except OSError:
            return False
        waiting: int = struct.unpack("i", raw)[0]
        if not waiting:
            self._taken = None
            return False
        taken = self.bytes_out - waiting
        if self._taken is None:
            self._taken = (now, taken)
        elif now - self._taken[0] >= READ_WINDOW_S:
            if taken - self._taken[1] < READ_RATE_MIN_BYTES_PER_S * READ_WINDOW_S:
                return True
            self._taken = (now, taken)
        return False

    def expire(self) -> None:
        """The deadline has passed: wake who waits on this socket, with an end of file."""
        self.expired = self.phase
        self.deadline = math.inf
        if self.phase not in (WRITE, UPSTREAM):
            # Who is slow to send may still be told so: the reader wakes and finds an end.
            self.watch.wake()
            return
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it ended in this very moment
        self.watch.wake()

    def end_sending(self) -> None:
        """Say that nothing more comes: close_notify where there is TLS, then FIN.

        RFC 9112 section 9.6: half-close first, so that bytes the peer still sends do not
        make the kernel reset the connection and destroy our answer on its way.
        """
        try:
            if self.tls is not None and not self.expired:
                try:
                    self.tls.engine.shutdown()
                except ssl.SSLError:
                    pass  # WantRead: our close_notify is out, theirs is not awaited
            self.sock.shutdown(socket.SHUT_WR)
        except (OSError, ValueError):
            pass

    def discard(self) -> bool:
        """Read what has come and forget it; True when the peer has ended.

        Below TLS: once our close_notify is out, OpenSSL takes whatever else comes for an
        error, and closing with bytes unread would reset the connection.
        """
        try:
            return not self.sock.recv(WRITE_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        """Give the descriptor back; whoever waits on it is woken with `trio.ClosedResourceError`."""
        if self.sock.fileno() >= 0:
            self.watch.close()
            if self._in_trio:
                trio.lowlevel.notify_closing(self.sock)
            self.sock.close()
