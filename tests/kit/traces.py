"""Traces made up for tests: a feed as several processes would tell it."""

from typing import Any

from edge.common.spans import CLIENT, INTERNAL, SERVER, Attribute, Span

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
ROOT = "phone"
_US = 1_000


def span(
    span_id: str,
    parent_id: str,
    name: str,
    start_us: float,
    end_us: float,
    *,
    service: str = "feed",
    instance: str = "",
    kind: int = INTERNAL,
    error: str = "",
    **attributes: Attribute,
) -> Span:
    """A span in microseconds since the trace began; `a__b` in a keyword is `a.b`."""
    return Span(
        trace_id=TRACE_ID,
        span_id=span_id,
        parent_id=parent_id,
        name=name,
        service=service,
        instance=instance or f"{service}-1",
        pid=4711,
        kind=kind,
        start_ns=1_000_000_000 + int(start_us * _US),
        end_ns=1_000_000_000 + int(end_us * _US),
        error=error,
        attributes={key.replace("__", "."): value for key, value in attributes.items()},
    )


def phone(span_id: str, name: str, start_us: float, end_us: float, **attributes: Any) -> Span:
    """One of the phone's phases."""
    return span(span_id, ROOT, name, start_us, end_us, service="phone", instance="phone", **attributes)


def cold_feed() -> list[Span]:
    """A cold feed of 30.2 ms: eight processes, a fan-out of five, ads timed out."""
    l7: Any = {"service": "edge-l7", "instance": "l7-mumbai-1"}
    url = "https://i.edge.test:8443/api/v1/feed/timeline/"
    spans = [
        span(
            ROOT,
            "",
            "phone",
            0,
            30_200,
            service="phone",
            instance="phone",
            url__full=url,
            http__request__method="GET",
            http__response__status_code=200,
        ),
        phone("dns", "dns query i.edge.test A", 50, 1_150),
        span(
            "dns-1",
            "dns",
            "dns.query",
            300,
            1_000,
            service="edge-dns",
            instance="dns-1",
            kind=SERVER,
            edge__why="mumbai 920 km, ttl 20",
        ),
        phone("tcp", "tcp connect 127.0.1.1:8443", 1_150, 1_550),
        phone("tls", "tls handshake", 1_550, 4_650, tls__resumed=False),
        phone("http", "http request sent → first byte", 4_650, 29_350),
        phone("body", "body 5,321 B", 29_350, 30_000),
        span("server", "http", "GET /api/v1/feed/timeline/", 4_850, 29_150, kind=SERVER, **l7),
        span(
            "l4",
            "server",
            "l4 handover",
            1_250,
            1_550,
            service="edge-l4",
            instance="l4-mumbai-a",
            edge__why="l7-mumbai-1 (2 candidates)",
        ),
        span("l7tls", "server", "tls handshake", 2_000, 4_300, edge__why="TLSv1.3, not resumed", **l7),
    ]
    at = 4_900.0
    for stage, took in (("normalise", 30), ("route", 20), ("waf", 140), ("auth", 60), ("ratelimit", 10)):
        spans.append(
            span(f"l7.{stage}", "server", f"l7.{stage}", at, at + took, edge__verdict="continue", **l7)
        )
        at += took
    spans.append(span("queue", "server", "l7.queue", 5_200, 8_200, edge__why="pool full 8/8", **l7))
    spans += _call("feed", "server", 8_250, 29_000, "edge-l7", "l7-mumbai-1")
    for name, start, end in (
        ("user", 9_000, 11_400),
        ("ranking", 11_500, 26_100),
        ("story", 11_500, 14_600),
        ("ads", 11_500, 20_500),
        ("recommend", 11_500, 17_700),
    ):
        spans += _call(
            name, "feed-server", start, end, "feed", "feed-2", error="timed out" if name == "ads" else ""
        )
    return spans


def warm_feed() -> list[Span]:
    """The same on a kept connection: L4 and TLS happened long before."""
    spans = []
    for one in cold_feed():
        if one.span_id in ("dns", "dns-1", "tcp", "tls"):
            continue
        if one.span_id == ROOT:
            one = span(
                ROOT, "", "phone", 4_640, 30_010, service="phone", instance="phone", url__full="https://x/"
            )
        if one.span_id in ("l4", "l7tls"):
            one = span(
                one.span_id,
                one.parent_id,
                one.name,
                -9_000,
                -8_000,
                service=one.service,
                instance=one.instance,
                edge__conn__id="c-9f2",
            )
        spans.append(one)
    return spans


def _call(
    name: str, parent: str, start: float, end: float, service: str, instance: str, error: str = ""
) -> list[Span]:
    client = span(
        f"{name}-client",
        parent,
        "GET",
        start,
        end,
        service=service,
        instance=instance,
        kind=CLIENT,
        error=error,
        service__peer__name=name,
    )
    number = "feed-2" if name == "feed" else f"{name}-1"
    server = span(
        f"{name}-server",
        f"{name}-client",
        f"GET /{name}",
        start + 200,
        end - 150,
        service=name,
        instance=number,
        kind=SERVER,
    )
    return [client, server]
