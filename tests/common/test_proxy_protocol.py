"""Where a connection came from before a proxy."""

from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.common.proxy_protocol import (
    SIGNATURE,
    TLV_CRC32C,
    TLV_NOOP,
    TLV_UNIQUE_ID,
    V1_BYTES_MAX,
    V2_BYTES_MAX,
    Endpoint,
    ProxyHeader,
    ProxyProtocolError,
    crc32c,
    encode_v2,
    parse,
)

PHONE, VIP = Endpoint("203.0.113.9", 40112), Endpoint("127.0.1.1", 8443)
# The example of section 2.1 with documentation addresses, and a version 2 header
# written out by hand from the tables of section 2.2.
V1 = b"PROXY TCP4 203.0.113.9 127.0.1.1 40112 8443\r\n"
V2 = bytes.fromhex(
    "0d0a0d0a000d0a515549540a 21 11 0014"  # signature, version 2 PROXY, TCP over IPv4, 20 bytes
    "cb007109 7f000101 9cb0 20fb"  # 203.0.113.9, 127.0.1.1, 40112, 8443
    "05 0005 632d37662d"  # UNIQUE_ID "c-7f-"
)

endpoints_v4 = st.builds(Endpoint, st.ip_addresses(v=4).map(str), st.integers(0, 65535))
endpoints_v6 = st.builds(Endpoint, st.ip_addresses(v=6).map(str), st.integers(0, 65535))
pairs = st.tuples(endpoints_v4, endpoints_v4) | st.tuples(endpoints_v6, endpoints_v6)
tlvs = st.lists(st.tuples(st.integers(0xE0, 0xEF), st.binary(max_size=50)), max_size=5)


def byte_by_byte(data: bytes) -> tuple[ProxyHeader, int] | None:
    for end in range(len(data) + 1):
        found = parse(data[:end])
        if found is not None:
            assert end == found[1], "the header was believed before it was complete"
            return found
    return None


@pytest.mark.parametrize("data", [V1, V2])
def test_a_header_written_by_hand_is_read_whole_or_byte_by_byte(data: bytes) -> None:
    """TCP cuts where it likes; HAProxy itself reads none of these when they are cut up."""
    whole = parse(data + b"GET / HTTP/1.1\r\n")

    assert whole is not None
    header, length = whole
    assert (header.source, header.destination, header.local) == (PHONE, VIP, False)
    assert length == len(data)
    assert byte_by_byte(data) == whole


def test_a_unique_id_comes_through() -> None:
    """It joins the L4's and the L7's story of one connection."""
    found = parse(V2)

    assert found is not None
    assert found[0].tlv(TLV_UNIQUE_ID) == b"c-7f-"


@given(pairs, tlvs)
def test_what_is_encoded_is_what_is_parsed(ends: Any, extra: list[tuple[int, bytes]]) -> None:
    """Both families, any TLVs, cut anywhere."""
    data = encode_v2(ends[0], ends[1], extra)

    found = byte_by_byte(data)

    assert found == (ProxyHeader(2, False, ends[0], ends[1], tuple(extra)), len(data))


@given(endpoints_v4, endpoints_v6)
def test_mixed_families_become_one(four: Endpoint, six: Endpoint) -> None:
    """An IPv4 phone on a dual-stack listener."""
    found = parse(encode_v2(four, six))

    assert found is not None
    assert found[0].source is not None
    assert ip_address(found[0].source.address).ipv4_mapped == ip_address(four.address)  # type: ignore[union-attr]


def test_a_local_header_is_the_proxys_own_connection() -> None:
    """Health probes must never look like phones."""
    found = parse(encode_v2(None, None, [(0xE3, b"probe")]))

    assert found is not None
    assert (found[0].local, found[0].source) == (True, None)


@pytest.mark.parametrize(
    "line",
    [b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n"],
)
def test_unknown_is_a_header_without_addresses(line: bytes) -> None:
    """Section 2.1: the rest of the line is to be ignored."""
    assert parse(line) == (ProxyHeader(1, False, None, None), len(line))


@pytest.mark.parametrize(
    "line",
    [
        b"PROXY TCP4 203.0.113.9 127.0.1.1 40112\r\n",
        b"PROXY TCP4 203.0.113.9 127.0.1.1 40112 84430\r\n",
        b"PROXY TCP4 203.0.113.9 127.0.1.1 +1 8443\r\n",
        b"PROXY TCP4 203.0.113.9 127.0.1.1 01 8443\r\n",
        b"PROXY TCP4 203.0.113.009 127.0.1.1 1 8443\r\n",
        b"PROXY TCP4  203.0.113.9 127.0.1.1 1 8443\r\n",
        b"PROXY TCP4 2001:db8::1 2001:db8::2 1 8443\r\n",
        b"PROXY TCP6 203.0.113.9 127.0.1.1 1 8443\r\n",
        b"PROXY TCP6 fe80::1%eth0 ::1 1 8443\r\n",
        b"PROXY UDP4 203.0.113.9 127.0.1.1 1 8443\r\n",
        b"PROXY TCP4 203.0.113.9 127.0.1.1 1 8443\n",
        b"PROXY TCP4 " + b"9" * V1_BYTES_MAX,
        b"PROXYTCP4 203.0.113.9 127.0.1.1 1 8443\r\n",
        b"GET / HTTP/1.1\r\n",
        b"\x16\x03\x01",
        V2[:12] + b"\x31" + V2[13:],
        V2[:12] + b"\x22" + V2[13:],
        V2[:13] + b"\x99" + V2[14:],
        V2[:14] + b"\x00\x08" + V2[16:24],
        V2[:14] + (V2_BYTES_MAX).to_bytes(2, "big"),
    ],
)
def test_what_cannot_become_a_header_is_refused(line: bytes) -> None:
    """A lenient reader would believe addresses that the proxy never wrote."""
    with pytest.raises(ProxyProtocolError):
        parse(line)


def test_the_checksum_is_verified_where_there_is_one() -> None:
    """Section 2.2.3; the check value of CRC-32C is the catalogue's for "123456789"."""
    assert crc32c(b"123456789") == 0xE3069283
    blank = encode_v2(PHONE, VIP, [(TLV_CRC32C, bytes(4)), (TLV_NOOP, b"..")])
    at = blank.index(bytes((TLV_CRC32C, 0, 4))) + 3
    good = blank[:at] + crc32c(blank).to_bytes(4, "big") + blank[at + 4 :]
    bad = good[:at] + bytes((good[at] ^ 1,)) + good[at + 1 :]

    assert parse(good) is not None
    with pytest.raises(ProxyProtocolError, match="checksum"):
        parse(bad)


@given(st.binary(max_size=300) | st.binary(max_size=60).map(lambda tail: SIGNATURE + b"\x21\x11" + tail))
def test_rubbish_is_refused_or_waited_for_and_nothing_else(data: bytes) -> None:
    """The relay catches ProxyProtocolError; anything else would be a bug that ends a connection loudly."""
    try:
        found = parse(data)
    except ProxyProtocolError:
        return
    assert found is None or found[1] <= len(data)


@given(st.binary(max_size=120))
def test_more_bytes_never_unrefuse_a_header(data: bytes) -> None:
    """Cut anywhere, the verdict is the same: what was refused early is refused late."""
    for end in range(1, len(data) + 1):
        try:
            parse(data[:end])
        except ProxyProtocolError:
            with pytest.raises(ProxyProtocolError):
                parse(data)
            return
