"""Raw non-blocking sockets under Trio: connect, send everything, look, close.  [I/O]"""

import errno
import fcntl
import os
import socket
import struct
import termios

import trio

CONNECT_S = 3.0  # Caddy
# struct tcp_info, linux/tcp.h: tcpi_rtt, tcpi_bytes_acked and tcpi_bytes_received.
_RTT_AT = 68
_BYTES_ACKED_AT = 120
_TCP_INFO_BYTES = 136


async def dial(address: tuple[str, int], patience_s: float = CONNECT_S) -> socket.socket | None:
    """A connected non-blocking socket, or None."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    backend = socket.socket(family, socket.SOCK_STREAM)
    try:
        backend.setblocking(False)
        backend.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        error = backend.connect_ex(address)
        if error == errno.EINPROGRESS:
            with trio.fail_after(patience_s):
                await trio.lowlevel.wait_writable(backend)
            error = backend.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
    except (OSError, trio.TooSlowError):
        backend.close()
        return None
    except BaseException:
        backend.close()
        raise
    return backend


async def send_all(sink: socket.socket, rest: memoryview) -> None:
    """Until the kernel has all of it; a slow reader makes this slow."""
    while rest:
        try:
            rest = rest[sink.send(rest) :]
        except BlockingIOError:
            await trio.lowlevel.wait_writable(sink)


def close(connection: socket.socket) -> None:
    """Wake whoever waits on `connection`, and give it back; twice is no error."""
    if connection.fileno() >= 0:
        trio.lowlevel.notify_closing(connection)
        connection.close()


def is_untouched(descriptor: int) -> bool:
    """Whether nobody has read from or written to this connection yet.

    Each side's SYN or FIN counts as a byte in the kernel's numbers, so one byte is
    no evidence.
    """
    with socket.socket(fileno=os.dup(descriptor)) as connection:
        try:
            info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
        except OSError:
            return False
    if len(info) < _TCP_INFO_BYTES:
        return True  # a kernel before 4.1 does not say
    acked, received = struct.unpack_from("=QQ", info, _BYTES_ACKED_AT)
    unread = struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)))[0]
    return bool(acked <= 1 and received - unread <= 1)


def rtt_us(connection: socket.socket) -> int:
    """Microseconds to the other end and back as the kernel sees it; 0 if it does not say."""
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
        return int(struct.unpack_from("=I", info, _RTT_AT)[0])
    except (OSError, struct.error):
        return 0
