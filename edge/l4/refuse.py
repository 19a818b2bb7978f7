"""Turn an accepted connection away.  [I/O]

`reset`: the phone learns at once (RST).  `drop`: it learns nothing and keeps
waiting, which costs a flooder its sockets; the kernel forgets the connection
without a word if we may put it into repair mode (CAP_NET_ADMIN), as HAProxy's
`silent-drop` does.  Without that right there is no silent way to close a socket,
so a drop becomes a reset, and `can_drop` says so beforehand.
"""

import os
import socket
import struct
from typing import Literal

# SO_LINGER on, for no time: close() then resets.
LINGER_ZERO = struct.pack("ii", 1, 0)
_TCP_REPAIR = 19  # linux/tcp.h; the socket module has no name for it


def can_drop() -> bool:
    """Whether this process may close a connection silently."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
        try:
            trial.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, 1)
        except OSError:
            return False
        return True


def refuse(connection: socket.socket, how: Literal["reset", "drop"]) -> None:
    """Close `connection` so that nothing of it stays behind here."""
    try:
        if how == "drop":
            connection.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, 1)
        else:
            # Without this the kernel would keep a FIN-WAIT entry for each of a
            # flooder's connections for a minute.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
    except OSError:
        pass  # it is gone already, or we may not: closing is what remains
    connection.close()


def refuse_descriptor(descriptor: int, family: int, how: Literal["reset", "drop"]) -> None:
    """Refuse a connection of which only the descriptor is known."""
    try:
        connection = socket.socket(family, socket.SOCK_STREAM, 0, fileno=descriptor)
    except OSError:
        os.close(descriptor)
        return
    refuse(connection, how)
