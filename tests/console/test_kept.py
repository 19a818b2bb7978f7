"""The longer memory."""

from typing import Any

from edge.console.kept import FETCH_MAX, SETTLE_NS, SPANS_MAX, Kept
from tests.kit.traces import TRACE_ID, cold_feed, span

LATER_NS = 10 * SETTLE_NS


def told(trace_id: str, *, status: int = 200, total_ms: float = 600.0, end_ns: int = 1) -> dict[str, Any]:
    return {"trace_id": trace_id, "status": status, "total_ms": total_ms, "end_ns": end_ns}


def test_a_trace_is_gathered_once_and_found_afterwards() -> None:
    """Even when every process that took part has died."""
    kept = Kept()

    [wanted] = kept.missing({"l7-1": [told(TRACE_ID)]}, LATER_NS)
    kept.keep(wanted, cold_feed())

    assert kept.find(TRACE_ID) == cold_feed()
    assert kept.missing({"l7-1": [told(TRACE_ID)]}, LATER_NS) == []
    assert kept.recent({"kept": True})[0]["worker"] == "l7-1"


def test_a_request_that_has_just_ended_is_left_alone_for_a_moment() -> None:
    """The services write their spans after they have answered."""
    kept = Kept()

    assert kept.missing({"l7-1": [told("a", end_ns=LATER_NS)]}, LATER_NS) == []
    assert kept.missing({"l7-1": [told("a", end_ns=LATER_NS)]}, LATER_NS + SETTLE_NS) != []


def test_in_a_burst_the_failed_come_before_the_slow() -> None:
    """An edge in trouble is not asked for ten thousand traces; those left out are counted."""
    kept = Kept()
    requests = [told(f"slow{number}", total_ms=1000 + number) for number in range(10)]
    requests += [told("failed", status=503, total_ms=1.0)]

    wanted = kept.missing({"l7-1": requests, "l7-2": None}, LATER_NS)

    assert {one["trace_id"] for one in wanted} == {"failed", "slow9", "slow8", "slow7"}
    assert kept.skipped == len(requests) - FETCH_MAX


def test_memory_is_bounded_both_ways() -> None:
    """By traces, and by spans of one trace."""
    kept = Kept(traces_max=2)
    for name in ("a", "b", "c"):
        kept.keep(told(name), [span(str(number), "", "x", 0, 1) for number in range(SPANS_MAX + 9)])

    assert len(kept) == 2
    assert kept.find("a") == []
    assert len(kept.find("c")) == SPANS_MAX


def test_the_consoles_own_sample_does_not_contain_what_it_kept() -> None:
    """Its live picture asks for all recent requests, and would draw the kept ones for ever."""
    kept = Kept()
    kept.keep(told("a"), [])

    assert kept.recent({"after_ns": 0, "limit": 40}) == []
