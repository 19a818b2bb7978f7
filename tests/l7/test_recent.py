"""The sample of requests that the console draws."""

from typing import Any

import msgspec
import pytest

from edge.common.handover import Handover
from edge.l7.recent import is_worth_keeping, recent
from edge.l7.record import Flow, Record, Ring, Try

HANDOVER = Handover(
    "c-1", "203.0.113.9", 4711, "https", 1, "l4-mumbai-a", 7, "weighted", "l7-1 of 2", 1.0, 2, 2, 1
)


def record(number: int) -> Record:
    attempt = Try(span_id="b" * 16, endpoint="feed-2", address="127.0.0.1:1", why="", start_ns=1)
    return Record(
        trace_id=f"{number:032x}",
        span_id="c" * 16,
        parent_id="",
        flags=3,
        keep=False,
        flow=Flow(HANDOVER, 1),
        first=True,
        start_ns=number * 1_000_000,
        end_ns=number * 1_000_000 + 500_000,
        unix_s=0.0,
        method="GET",
        target=b"/api/v1/feed/timeline/?max_id=secret",
        route="feed",
        status=200,
        flag="-",
        why="",
        account=1,
        bytes_in=1,
        bytes_out=1,
        head_ns=1,
        marks=(),
        stages=(),
        first_stage=0,
        notes=(),
        tries=(attempt,),
        revision="r",
    )


def ring_of(number: int, size: int = 8) -> Ring:
    ring = Ring(size)
    for at in range(1, number + 1):
        ring.add(record(at))
    return ring


def test_only_what_came_after_the_last_look_is_told() -> None:
    """The console passes the newest end it has seen."""
    found = recent(ring_of(5).newest(), {"after_ns": 3_500_000})

    assert [one["start_ns"] for one in found] == [4_000_000, 5_000_000]
    assert found[0]["upstream"] == "feed-2"
    assert found[0]["l4"] == "l4-mumbai-a"
    assert found[0]["total_ms"] == 0.5


def test_under_load_the_newest_are_the_sample() -> None:
    """A picture of forty dots is enough; the ring may hold thousands."""
    found = recent(ring_of(30).newest(), {"limit": 3})

    assert [one["start_ns"] // 1_000_000 for one in found] == [28, 29, 30]


def test_the_ring_is_walked_from_its_newest_end_around_the_corner() -> None:
    """Full or not, the order is the same."""
    for number in (3, 8, 13):
        ends = [one.end_ns for one in ring_of(number).newest()]
        assert ends == sorted(ends, reverse=True)
        assert len(ends) == min(number, 8)


def test_the_query_stays_private() -> None:
    """A page that everybody at this machine may open shows paths only."""
    [found] = recent(ring_of(1).newest(), {})

    assert found["path"] == "/api/v1/feed/timeline/"


def test_an_ordinary_request_is_forgotten_with_the_ring() -> None:
    """The longer memory is for what somebody will ask about."""
    assert not is_worth_keeping(record(1), slow_ns=1_000_000)


@pytest.mark.parametrize(
    "change",
    [{"keep": True}, {"status": 503}, {"flag": "DI"}, {"tries": record(1).tries * 2}, {"end_ns": 9_000_000}],
    ids=["asked-for", "failed", "faulted", "retried", "slow"],
)
def test_the_remarkable_is_kept(change: dict[str, Any]) -> None:
    """Tail sampling: decided when the request is over and all is known."""
    assert is_worth_keeping(msgspec.structs.replace(record(1), **change), slow_ns=1_000_000)
