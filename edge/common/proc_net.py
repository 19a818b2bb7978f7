"""Who listens where, as the kernel writes it in /proc/net?

Pure: the text goes in, listeners come out.  `tcp`, `tcp6`, `udp` and `udp6`
share one format (proc(5)): addresses are hexadecimal words in the machine's
byte order, the state is a number (0A is LISTEN; 07, CLOSE, is what an
unconnected UDP socket shows), and the inode is what /proc/<pid>/fd names.
"""

import ipaddress
import sys
from dataclasses import dataclass
from typing import Literal

Protocol = Literal["tcp", "udp"]

_LISTENING = {"tcp": "0A", "udp": "07"}
_WORD_BYTES = 4


@dataclass(frozen=True, slots=True)
class Listener:
    """One socket that takes connections or datagrams."""

    protocol: Protocol
    host: str
    port: int
    inode: int

    def clashes(self, protocol: Protocol, host: str, port: int) -> bool:
        """Would binding `host`:`port` meet this listener?  A wildcard meets everybody."""
        if (protocol, port) != (self.protocol, self.port) or port == 0:
            return False
        return self.host == host or self.host in ("0.0.0.0", "::") or host in ("0.0.0.0", "::")


def parse_listeners(protocol: Protocol, text: str, byte_order: str = sys.byteorder) -> list[Listener]:
    """The listeners in one of the four files; lines that cannot be read are skipped."""
    found = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 10 or fields[3] != _LISTENING[protocol]:
            continue
        address, _, port = fields[1].partition(":")
        try:
            host = _address(bytes.fromhex(address), byte_order)
            found.append(Listener(protocol, host, int(port, 16), int(fields[9])))
        except ValueError:
            continue
    return found


def _address(raw: bytes, byte_order: str) -> str:
    if byte_order == "little":
        words = [raw[at : at + _WORD_BYTES][::-1] for at in range(0, len(raw), _WORD_BYTES)]
        raw = b"".join(words)
    address = ipaddress.ip_address(raw)
    # A dual-stack socket shows an IPv4 peer as ::ffff:127.0.0.1.
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
