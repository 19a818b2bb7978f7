"""Who is connected from where to which worker since when?

A connection that was handed over costs nothing any more, so remembering it must
cost next to nothing either: one row in six parallel arrays, 37 bytes, instead of
a Python object with its hundreds.  The row's number is the ticket that travels
with the connection and comes back in a credit when it ends.

State: rows grow by `GROWTH` and are reused; they are bounded by the admission's
cap on open connections.
"""

from array import array
from typing import NamedTuple

GROWTH = 1024


class Row(NamedTuple):
    """One open connection."""

    ticket: int
    source: bytes  # packed address, 4 or 16 bytes
    port: int
    link: int  # the number of the worker's link that it went over
    since: float  # monotonic seconds


class Connections:
    """The open connections of one L4."""

    def __init__(self) -> None:
        self._sources = bytearray()  # 16 bytes a row
        self._sizes = bytearray()  # 4 or 16; 0 says that the row is free
        self._ports = array("H")
        self._links = array("I")
        self._since = array("d")
        self._free = array("I")

    def __len__(self) -> int:
        return len(self._sizes) - len(self._free)

    def add(self, source: bytes, port: int, link: int, since: float) -> int:
        """Remember a connection; its ticket."""
        if not self._free:
            self._grow()
        ticket = self._free.pop()
        size = len(source)
        self._sources[16 * ticket : 16 * ticket + size] = source
        self._sizes[ticket] = size
        self._ports[ticket] = port
        self._links[ticket] = link
        self._since[ticket] = since
        return ticket

    def move(self, ticket: int, link: int) -> None:
        """The connection goes over another link after all."""
        assert self._sizes[ticket], "only an open connection can move"
        self._links[ticket] = link

    def close(self, ticket: int, link: int) -> bytes | None:
        """Forget a connection of `link`; its source, or None for a ticket that is not that link's."""
        if not 0 <= ticket < len(self._sizes) or self._links[ticket] != link:
            return None
        return self.remove(ticket)

    def remove(self, ticket: int) -> bytes | None:
        """Forget a connection, whatever link it is on; its source, or None if there is none."""
        size = self._sizes[ticket]
        if not size:
            return None
        self._sizes[ticket] = 0
        self._free.append(ticket)
        return bytes(self._sources[16 * ticket : 16 * ticket + size])

    def close_link(self, link: int) -> list[bytes]:
        """Forget all connections of a link that has ended; their sources."""
        ended = []
        # A walk over every row: links end rarely, and 50,000 rows take milliseconds.
        for ticket in range(len(self._sizes)):
            if self._sizes[ticket] and self._links[ticket] == link:
                source = self.close(ticket, link)
                assert source is not None, "the row was open a line ago"
                ended.append(source)
        return ended

    def rows(self, rows_max: int, source: bytes | None = None) -> list[Row]:
        """Up to `rows_max` open connections, of one source if given."""
        found: list[Row] = []
        for ticket in range(len(self._sizes)):
            if len(found) >= rows_max:
                break
            size = self._sizes[ticket]
            if size:
                whence = bytes(self._sources[16 * ticket : 16 * ticket + size])
                if source is None or source == whence:
                    found.append(
                        Row(ticket, whence, self._ports[ticket], self._links[ticket], self._since[ticket])
                    )
        return found

    def _grow(self) -> None:
        rows = len(self._sizes)
        self._sources += bytes(16 * GROWTH)
        self._sizes += bytes(GROWTH)
        self._ports.frombytes(bytes(self._ports.itemsize * GROWTH))
        self._links.frombytes(bytes(self._links.itemsize * GROWTH))
        self._since.frombytes(bytes(self._since.itemsize * GROWTH))
        # Popped from the end, so the lowest numbers go first and stay dense.
        self._free.extend(range(rows + GROWTH - 1, rows - 1, -1))
