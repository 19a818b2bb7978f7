"""What do we want to reach?

Ratios of the rows' figures (CPU per unit of work unless the row says otherwise), ours
over theirs.  Each is a stretch; the results say what came out beside it.
"""

from typing import NamedTuple


class Bar(NamedTuple):
    """`ours` costs at most so many times what `against` costs."""

    row: str
    ours: str
    against: str
    at_most: float


BARS = (
    Bar("l4-connect", "edge", "haproxy tcp", 0.40),
    Bar("l4-stream-1", "edge handoff", "direct", 1 / 0.97),  # 0.97 of its throughput
    Bar("l4-stream-64", "edge handoff", "direct", 1 / 0.97),
    Bar("l7-hot", "edge", "haproxy", 2.5),
    Bar("l7-hot", "edge", "haproxy+features", 2.0),
    Bar("l7-hot", "edge", "aiohttp+uvloop", 0.33),
    Bar("l7-hot", "edge", "mitmproxy", 0.04),
    Bar("l7-cold", "edge", "haproxy", 5.0),
    Bar("l7-trace", "edge", "edge untraced", 1.3),
    Bar("l7-cache-small", "edge", "nginx cache", 1.7),
    Bar("l7-cache-big", "edge", "nginx cache", 1.7),
    Bar("l7-waf-hot", "edge crs", "nginx+modsecurity", 0.12),
    Bar("l7-waf-cold", "edge crs", "nginx+modsecurity", 0.20),
    Bar("l7-large", "edge", "haproxy", 1.3),
    Bar("tls-full", "edge", "haproxy", 1.2),
    Bar("tls-resumed", "edge", "haproxy", 1.5),
    Bar("idle", "edge", "haproxy", 1.5),
    Bar("grow-connections", "5,000 connections", "100 connections", 1.25),
    Bar("grow-routes", "10,000 routes", "10 routes", 1.1),
    Bar("grow-endpoints", "1,000 endpoints", "10 endpoints", 1.1),
    Bar("p99-at-60", "edge", "haproxy", 2.5),
)
