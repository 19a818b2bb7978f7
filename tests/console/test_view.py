"""The rows that the pages draw."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.common.messages import Member
from edge.common.metrics import Registry
from edge.console.view import count, distribution, percentile, rows


def service(requests: int, errors: int = 0, seconds: float = 0.02) -> list[dict[str, Any]]:
    registry = Registry()
    family = registry.counter("edge_service_requests_total", "n", ("route", "method", "code"))
    family.child("/", "GET", "200").value = requests
    family.child("/", "GET", "503").value = errors
    taken = registry.histogram("edge_service_request_seconds", "s", ("route",)).child("/")
    for _ in range(requests):
        taken.observe(seconds)
    return registry.snapshot()


def feed(**more: Any) -> Member:
    return Member(name="feed-1", tier="service", service="feed", pid=7, state="live", **more)


def test_a_rate_is_of_the_time_between_two_looks() -> None:
    """Not of the process's whole life."""
    [row] = rows([feed()], {"feed-1": service(100)}, {"feed-1": service(150, 4)}, 2.0, {}, {})

    assert row["rate"] == 27.0
    assert row["error_rate"] == 2.0
    assert 10 <= row["p50_ms"] <= 25


def test_a_process_that_began_again_has_no_negative_rate() -> None:
    """Its counters are at 0 and so is its past."""
    [row] = rows([feed()], {"feed-1": service(100)}, {"feed-1": service(10)}, 2.0, {}, {})

    assert row["rate"] == 5.0


def test_what_l7_checked_stands_beside_the_endpoint() -> None:
    """The worst word of several workers counts."""

    def stats(up: bool) -> dict[str, Any]:
        endpoint = {
            "name": "feed-1",
            "up": up,
            "check": "well" if up else "refused",
            "in_flight": 2,
            "ejected_until": 0,
        }
        return {"clusters": [{"endpoints": [endpoint]}]}

    [row] = rows([feed()], {}, {}, 1.0, {"l7-a-1": stats(True), "l7-a-2": stats(False), "l4-a": None}, {})

    assert not row["up"]
    assert row["queue"] == 4
    assert row["check"] == "refused"


def test_faults_are_shown_where_they_are_played() -> None:
    """Nobody should hunt for a bug that was ordered."""
    [row] = rows([feed()], {}, {}, 1.0, {}, {"feed-1": [{"text": "latency 300 ms"}]})

    assert row["faults"] == ["latency 300 ms"]


def test_guests_are_not_processes_of_the_edge() -> None:
    """A console, a lab: they watch, they are not on the path."""
    assert rows([Member(name="console", tier="console", pid=1)], {}, {}, 1.0, {}, {}) == []


@given(st.lists(st.floats(0.0001, 9.9), min_size=1, max_size=200), st.floats(0.01, 1.0))
def test_a_percentile_lies_in_the_bucket_that_holds_it(values: list[float], share: float) -> None:
    """A histogram knows no more than that, and no less."""
    registry = Registry()
    child = registry.histogram("h", "s").child()
    for value in values:
        child.observe(value)
    seen = distribution(registry.snapshot(), "h")
    exact = sorted(values)[max(0, -(-int(share * len(values) * 1e9) // int(1e9)) - 1)]

    found = percentile(seen, share)

    bounds = [0.0, *seen[0]]
    lower = max(bound for bound in bounds if bound < exact)
    upper = min((bound for bound in bounds if bound >= exact), default=bounds[-1])
    assert found is not None
    assert lower * 1000 - 0.001 <= found <= upper * 1000 + 0.001


def test_of_nothing_there_is_no_percentile() -> None:
    """An empty cell says more than a zero."""
    assert percentile(([], []), 0.5) is None
    assert percentile(([1.0], [0, 0]), 0.5) is None


def test_refused_connections_are_what_went_wrong_at_l4() -> None:
    """Its counter has results instead of codes."""
    registry = Registry()
    family = registry.counter("edge_l4_connections_total", "n", ("result",))
    family.child("accepted").value = 5
    family.child("banned").value = 2

    assert count(registry.snapshot(), "edge_l4_connections_total", wrong=True) == pytest.approx(2)
