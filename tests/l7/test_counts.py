"""What the worker counts."""

from typing import Any

from edge.common.metrics import Registry
from edge.l7.counts import Counts, Seen
from edge.l7.waf.inspector import Tally
from tests.kit.l7_records import attempt, flow, record


def _values(registry: Registry, name: str) -> dict[tuple[str, ...], Any]:
    family = next(one for one in registry.snapshot() if one["name"] == name)
    return {tuple(labels): value for labels, value in family["values"]}


def test_requests_are_counted_by_route_code_and_flag() -> None:
    """Never by path: a phone could make as many of those as it likes."""
    registry = Registry()
    counts = Counts(registry)

    counts.requests_over([record(), record(), record(status=403, flag="WAF", tries=[])])

    assert counts.requests == 3
    assert _values(registry, "edge_l7_requests_total") == {
        ("/feed", "200", "-"): 2,
        ("/feed", "403", "WAF"): 1,
    }


def test_methods_that_phones_invent_share_one_label() -> None:
    """OpenTelemetry's `_OTHER`."""
    registry = Registry()

    Counts(registry).requests_over([record(method=f"M{number}") for number in range(10)])

    assert set(_values(registry, "http_server_request_duration_seconds")) == {("_OTHER",)}


def test_a_try_that_never_connected_is_no_first_byte() -> None:
    """A refused connection would make a broken service look fast."""
    registry = Registry()

    Counts(registry).requests_over([record(tries=[attempt(connected_ns=0, first_ns=0, error="UF")])])

    assert sum(_values(registry, "edge_upstream_first_byte_seconds")[("feed-2",)]["counts"]) == 0


def test_handshakes_are_counted_by_kind() -> None:
    """The share of resumed ones is what a phone feels."""
    registry = Registry()

    Counts(registry).handshake(flow())

    assert _values(registry, "edge_tls_handshakes_total") == {("no", "1.3"): 1}


def test_what_others_count_is_taken_over() -> None:
    """Once a walk, so the hot path only adds to its own integers."""
    registry = Registry()

    Counts(registry).observe(
        Seen(
            5,
            4,
            3,
            2,
            1,
            6,
            10,
            {"feed": 7},
            {"942100": 8},
            {"941100": 2},
            Tally(4, 3, 2, 1, 0.5),
            {"source": 9},
        )
    )

    assert _values(registry, "edge_upstream_inflight") == {("feed",): 7}
    assert _values(registry, "edge_waf_blocked_total") == {("942100",): 8}
    assert _values(registry, "edge_waf_detected_total") == {("941100",): 2}
    assert _values(registry, "edge_waf_inspections_total") == {
        ("memory",): 4, ("loop",): 3, ("given-up",): 2, ("thread",): 1,
    }  # fmt: skip
    assert _values(registry, "edge_waf_thread_seconds_total") == {(): 0.5}
    assert _values(registry, "edge_upstream_retries_total") == {("retry",): 2, ("stale",): 1}
