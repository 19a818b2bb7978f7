"""What a head says to a proxy."""

import pytest

from edge.l7.http1.head import Head, judge, split_head
from edge.l7.http1.rules import CHUNKED, HeadLimits, Refused

LIMITS = HeadLimits()


def _head(*lines: bytes, first: bytes = b"GET /a?b HTTP/1.1") -> Head:
    return judge(b"\r\n".join([first, b"Host: I.Edge.Test:8443", *lines]) + b"\r\n\r\n", LIMITS)


def test_only_what_is_meant_for_the_service_goes_on() -> None:
    """Framing, hop-by-hop fields and everything that the edge itself vouches for stay behind."""
    head = _head(
        b"Accept: */*", b"Connection: keep-alive, X-Hop", b"X-Hop: 1", b"TE: trailers", b"Proxy: evil",
        b"Forwarded: for=1.2.3.4", b"X-Forwarded-For: 1.2.3.4", b"Edge-Account: 1", b"X-Real-IP: 1",
        b"traceparent: x", b"X-Request-Id: y", b"Cookie: a=b", b"X-Custom: c",
    )  # fmt: skip

    assert head.block.forward == b"accept: */*\r\ncookie: a=b\r\nx-custom: c\r\n"


def test_absolute_form_overrides_host() -> None:
    """RFC 9112 section 3.2.2."""
    head = _head(first=b"GET http://other.test:1/x?y HTTP/1.1")

    assert (head.line.target, head.block.host, head.block.host_value) == (
        b"/x?y",
        "other.test",
        b"other.test:1",
    )
    # What the firewall and the cache see is the host that the service gets.
    assert [value for name, value in head.block.fields if name == b"host"] == [b"other.test:1"]


def test_a_websocket_offer_is_seen_and_a_lone_upgrade_is_not() -> None:
    """RFC 9110 section 7.8: Upgrade counts only if Connection names it, and not in HTTP/1.0."""
    assert _head(b"Connection: Upgrade", b"Upgrade: websocket").upgrade == b"websocket"
    assert _head(b"Upgrade: websocket").upgrade == b""
    assert _head(b"Connection: Upgrade", b"Upgrade: websocket", first=b"GET / HTTP/1.0").upgrade == b""


def test_the_length_of_the_body_is_known() -> None:
    """Bytes, chunks or nothing."""
    assert _head(b"Content-Length: 7").body == 7
    assert _head(b"Transfer-Encoding: Chunked").body == CHUNKED
    assert _head().body == 0


def test_old_and_tired_connections_are_not_kept() -> None:
    """HTTP/1.0 and `Connection: close` end with their answer."""
    assert _head().block.keep_alive
    assert not _head(b"Connection: Close").block.keep_alive
    assert not _head(first=b"GET / HTTP/1.0").block.keep_alive


def test_two_traceparents_are_none() -> None:
    """W3C Trace Context section 3.2.1: more than one is invalid."""
    assert _head(b"traceparent: a").block.traceparent == b"a"
    assert _head(b"traceparent: a", b"traceparent: b").block.traceparent is None


def test_a_head_is_split_from_what_follows() -> None:
    """Pipelined requests and the beginnings of bodies."""
    assert split_head(b"GET / HTTP/1.1\r\n\r\nrest", LIMITS) == (b"GET / HTTP/1.1\r\n\r\n", b"rest")
    assert split_head(b"\r\nGET / HTTP/1.1\r\n\r\n", LIMITS) == (b"GET / HTTP/1.1\r\n\r\n", b"")
    assert split_head(b"GET / HTTP/1.1\r\n\r", LIMITS) is None
    assert split_head(b"", LIMITS) is None


@pytest.mark.parametrize(
    "beginning", [b"\x16\x03\x01", b"GET / HTTP/1.1\nHost", b"GET / HTTP/1.1\r\nA: b\n\n", b" GET"]
)
def test_what_can_become_no_head_is_refused_at_once(beginning: bytes) -> None:
    """Waiting for the timeout would give each such phone ten seconds of our memory."""
    with pytest.raises(Refused):
        split_head(beginning, LIMITS)
