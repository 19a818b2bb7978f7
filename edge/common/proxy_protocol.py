"""Where did this connection really come from, when a proxy stands between?

The PROXY protocol (haproxy.org, doc/proxy-protocol.txt, versions 1 and 2): a
header that the proxy sends before the first byte of the connection.  `parse` is
incremental: it says "not yet" as long as more bytes could make a header, and
never looks beyond it, so a header that arrives byte by byte is the same header.

Whether a peer may send one at all is the caller's question: a header from an
address that is not a known proxy is a forgery.  Section 2: "the receiver ... must
not try to guess".

Version 2 carries TLVs; what our own L4 puts into them is `edge.common.proxy_record`'s.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Literal, NamedTuple

from edge.common.errors import EdgeError

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
V1_BYTES_MAX = 107  # section 2.1, the final CRLF included
# The length field allows 64 KiB.  Real headers stay below 500 bytes, one with a
# client certificate's names below 4 KiB; more than this is not an honest proxy.
V2_BYTES_MAX = 16 * 1024

TLV_ALPN, TLV_AUTHORITY, TLV_CRC32C, TLV_NOOP, TLV_UNIQUE_ID = 0x01, 0x02, 0x03, 0x04, 0x05
UNIQUE_ID_BYTES_MAX = 128  # section 2.2.5

_FAMILIES = {0x11: (4, "tcp"), 0x12: (4, "udp"), 0x21: (16, "tcp"), 0x22: (16, "udp")}
_UNIX_BYTES = 216


class ProxyProtocolError(EdgeError):
    """These bytes are no PROXY header, or one that may not be believed; the connection ends."""

    blame = "peer"
    status_hint = None


class Endpoint(NamedTuple):
    """One end of the original connection."""

    address: str
    port: int


class ProxyHeader(NamedTuple):
    """What the proxy says.

    `source` and `destination` are None for a `local` connection (the proxy's own,
    such as a health probe) and for families that carry no address we understand.
    """

    version: Literal[1, 2]
    local: bool
    source: Endpoint | None
    destination: Endpoint | None
    tlvs: tuple[tuple[int, bytes], ...] = ()

    def tlv(self, kind: int) -> bytes | None:
        """The first value of this type."""
        return next((value for known, value in self.tlvs if known == kind), None)


class Trusted:
    """The networks of the proxies that may send a header."""

    def __init__(self, networks: Iterable[str]) -> None:
        """Raises `ValueError` for what is no network."""
        self._networks = [ip_network(network, strict=False) for network in networks]

    def __contains__(self, address: str) -> bool:
        if not self._networks:
            return False
        peer = ip_address(address)
        peer = getattr(peer, "ipv4_mapped", None) or peer
        return any(peer in network for network in self._networks if network.version == peer.version)


def encode_v2(
    source: Endpoint | None,
    destination: Endpoint | None,
    tlvs: Sequence[tuple[int, bytes]] = (),
    *,
    datagram: bool = False,
) -> bytes:
    """A header for a TCP connection (or a UDP `datagram`); without addresses it is a LOCAL one."""
    if source is None or destination is None:
        command, family, addresses = 0x20, 0x00, b""
    else:
        one, other = ip_address(source.address), ip_address(destination.address)
        if one.version != other.version:
            # An IPv4 phone on a dual-stack listener: one header has one family.
            one, other = _as_ipv6(one), _as_ipv6(other)
        command, family = 0x21, (0x11 if one.version == 4 else 0x21) + datagram
        addresses = (
            one.packed + other.packed + source.port.to_bytes(2, "big") + destination.port.to_bytes(2, "big")
        )
    extra = b"".join(bytes((kind,)) + len(value).to_bytes(2, "big") + value for kind, value in tlvs)
    body = addresses + extra
    assert 16 + len(body) <= V2_BYTES_MAX, "our own headers are small"
    return SIGNATURE + bytes((command, family)) + len(body).to_bytes(2, "big") + body


def parse(data: bytes) -> tuple[ProxyHeader, int] | None:
    """The header at the beginning of `data` and its length; None if more bytes are needed.

    Raises `ProxyProtocolError` as soon as no continuation could make it a header.
    """
    if data[:1] == b"P":
        return _parse_v1(data)
    if not SIGNATURE.startswith(data[: len(SIGNATURE)]):
        raise ProxyProtocolError("neither a version 1 nor a version 2 header")
    return _parse_v2(data)


def _parse_v1(data: bytes) -> tuple[ProxyHeader, int] | None:
    if not b"PROXY ".startswith(data[:6]):
        raise ProxyProtocolError("neither a version 1 nor a version 2 header")
    end = data.find(b"\r\n", 0, V1_BYTES_MAX)
    if end < 0:
        if len(data) >= V1_BYTES_MAX or b"\n" in data:
            raise ProxyProtocolError(f"a version 1 header ends in CRLF within {V1_BYTES_MAX} bytes")
        return None
    fields = data[6:end].split(b" ")
    if fields[0] == b"UNKNOWN":
        # Section 2.1: whatever follows is to be ignored.
        return ProxyHeader(1, False, None, None), end + 2
    if len(fields) != 5 or fields[0] not in (b"TCP4", b"TCP6"):
        raise ProxyProtocolError("a version 1 header names a family, two addresses and two ports")
    version = 4 if fields[0] == b"TCP4" else 6
    source = Endpoint(_v1_address(fields[1], version), _v1_port(fields[3]))
    destination = Endpoint(_v1_address(fields[2], version), _v1_port(fields[4]))
    return ProxyHeader(1, False, source, destination), end + 2


def _v1_address(text: bytes, version: int) -> str:
    try:
        address = ip_address(text.decode("ascii"))
    except ValueError as error:
        raise ProxyProtocolError(f"{text!r} is no address") from error
    if address.version != version or b"%" in text:
        raise ProxyProtocolError(f"{text!r} is not of the family that the header names")
    return str(address)


def _v1_port(text: bytes) -> int:
    # int() would take "+1", "1_0" and blanks as well; section 2.1 knows digits only.
    if not text.isdigit() or len(text) > 5 or (text[:1] == b"0" and text != b"0") or int(text) > 65535:
        raise ProxyProtocolError(f"{text!r} is no port")
    return int(text)


def _parse_v2(data: bytes) -> tuple[ProxyHeader, int] | None:
    if len(data) > 12 and data[12] not in (0x20, 0x21):
        raise ProxyProtocolError(f"version and command {data[12]:#04x} are unknown")
    if len(data) < 16:
        return None
    length = 16 + int.from_bytes(data[14:16], "big")
    if length > V2_BYTES_MAX:
        raise ProxyProtocolError(f"a header of {length} bytes is over the limit of {V2_BYTES_MAX}")
    if len(data) < length:
        return None
    local = data[12] == 0x20
    family = data[13]
    size, _ = _FAMILIES.get(family, (0, ""))
    addresses = 2 * size + 4 if size else (_UNIX_BYTES if family in (0x31, 0x32) else 0)
    source = destination = None
    if not local:
        if 16 + addresses > length:
            raise ProxyProtocolError("the header is shorter than the addresses it names")
        if size:
            one, other = data[16 : 16 + size], data[16 + size : 16 + 2 * size]
            ports = data[16 + 2 * size : 20 + 2 * size]
            source = Endpoint(str(ip_address(one)), int.from_bytes(ports[:2], "big"))
            destination = Endpoint(str(ip_address(other)), int.from_bytes(ports[2:], "big"))
        elif family not in (0x00, 0x31, 0x32):
            raise ProxyProtocolError(f"family {family:#04x} is unknown")
    if family == 0x00 or 16 + addresses > length:
        # Section 2.2: what such a header (or a LOCAL one that is too short) holds is to
        # be skipped, whatever it is, so it need not be TLVs.
        return ProxyHeader(2, local, source, destination), length
    return ProxyHeader(2, local, source, destination, _tlvs(data, 16 + addresses, length)), length


def _tlvs(data: bytes, start: int, end: int) -> tuple[tuple[int, bytes], ...]:
    found = []
    at = start
    while at < end:
        if at + 3 > end:
            raise ProxyProtocolError("a TLV is cut short")
        kind, size = data[at], int.from_bytes(data[at + 1 : at + 3], "big")
        value = data[at + 3 : at + 3 + size]
        if at + 3 + size > end:
            raise ProxyProtocolError("a TLV is longer than the header")
        if kind == TLV_CRC32C:
            # Section 2.2.3: over the whole header, with the checksum's own bytes as zero.
            blank = data[: at + 3] + bytes(4) + data[at + 7 : end]
            if size != 4 or crc32c(blank) != int.from_bytes(value, "big"):
                raise ProxyProtocolError("the checksum is wrong")
        elif kind == TLV_UNIQUE_ID and size > UNIQUE_ID_BYTES_MAX:
            raise ProxyProtocolError(f"a unique id is at most {UNIQUE_ID_BYTES_MAX} bytes")
        if kind != TLV_NOOP:
            found.append((kind, value))
        at += 3 + size
    return tuple(found)


def _as_ipv6(address: IPv4Address | IPv6Address) -> IPv6Address:
    if isinstance(address, IPv6Address):
        return address
    return IPv6Address(bytes(10) + b"\xff\xff" + address.packed)


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_CRC_TABLE = _crc_table()


def crc32c(data: bytes) -> int:
    """Castagnoli's CRC (RFC 3720 appendix B.4); the standard library has only the other one."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF
