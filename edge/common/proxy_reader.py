"""Take the PROXY header off a connection, and not a byte more.  [I/O]

What follows the header belongs to somebody else: to TLS, which reads from the socket
itself, or to an endpoint that the kernel is to be given the bytes for.  So bytes are
looked at first (MSG_PEEK) and only those that are the header's are taken.  While the
header is incomplete everything that is here belongs to it, so all of it is taken and
the socket can be waited on again.
"""

import socket

import trio

from edge.common.proxy_protocol import V2_BYTES_MAX, ProxyHeader, ProxyProtocolError, parse

HEADER_S = 5.0  # the specification, section 2, asks for at least 3


async def read_header(connection: socket.socket, patience_s: float = HEADER_S) -> ProxyHeader:
    """The header with which this non-blocking socket begins.

    Raises `ProxyProtocolError` where none comes within `patience_s`, `OSError` where
    the connection breaks.
    """
    with trio.move_on_after(patience_s):
        return await _read(connection)
    raise ProxyProtocolError(f"no whole header within {patience_s:g} s")


async def _read(connection: socket.socket) -> ProxyHeader:
    data = b""
    while True:
        await trio.lowlevel.wait_readable(connection)
        try:
            seen = connection.recv(V2_BYTES_MAX, socket.MSG_PEEK)
        except BlockingIOError:
            continue
        if not seen:
            raise ProxyProtocolError("the connection ended within the header")
        found = parse(data + seen)
        if found is not None:
            header, size = found
            connection.recv(size - len(data))
            return header
        data += connection.recv(len(seen))
