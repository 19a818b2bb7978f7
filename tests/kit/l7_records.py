"""Records of requests that never were."""

from typing import Any

from edge.common.handover import Handover
from edge.l7.record import Flow, Record, Try

MS = 1_000_000


def flow(**values: Any) -> Flow:
    """A connection that L4 took at 1 ms and TLS finished at 5 ms."""
    handover = Handover(
        "c-1",
        "198.51.100.7",
        4711,
        "https",
        1 * MS,
        "l4-mumbai-a",
        12,
        "weighted",
        "2 of 2",
        97.0,
        2,
        2 * MS,
        1,
    )
    facts: dict[str, Any] = {
        "tls_start_ns": 3 * MS,
        "tls_end_ns": 5 * MS,
        "tls": {"tls.resumed": False, "tls.protocol.version": "1.3"},
        "requests": 1,
    }
    return Flow(handover, 3 * MS, **(facts | values))


def attempt(**values: Any) -> Try:
    """A try that took 20 ms."""
    facts: dict[str, Any] = {
        "span_id": "c" * 16, "endpoint": "feed-2", "address": "127.0.0.1:7111", "why": "less busy",
        "start_ns": 12 * MS, "connected_ns": 13 * MS, "sent_ns": 13 * MS, "first_ns": 32 * MS,
        "end_ns": 33 * MS, "status": 200,
    }  # fmt: skip
    return Try(**(facts | values))


def record(**values: Any) -> Record:
    """A GET that went well."""
    facts: dict[str, Any] = {
        "trace_id": "a" * 32, "span_id": "b" * 16, "parent_id": "", "flags": 3, "keep": False,
        "flow": flow(), "first": True, "start_ns": 10 * MS, "end_ns": 33 * MS, "unix_s": 1_795_402_801.5,
        "method": "GET", "target": b"/feed?q=1", "route": "/feed", "status": 200, "flag": "-", "why": "",
        "account": 42, "bytes_in": 0, "bytes_out": 500, "head_ns": 11 * MS,
        "marks": [11 * MS, 11 * MS + 1000, 11 * MS + 3000], "stages": ("normalise", "route"),
        "first_stage": 0, "notes": [("route", "by prefix %s", ("/feed",))], "tries": [attempt()],
        "revision": "r1", "user_agent": b"phone",
    }  # fmt: skip
    return Record(**(facts | values))
