"""Numbers that a lab's verdict rests on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.lab.measure import Sample, counters, moved, quantile, rises, series, summary, windows


def sample(at_s: float = 0.0, ms: float = 10.0, *, ok: bool = True, **more: object) -> Sample:
    return Sample(load="phones", at_s=at_s, ms=ms, status=200 if ok else 503, right=ok, **more)  # type: ignore[arg-type]


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.001, 1.0))
def test_a_quantile_is_the_nearest_rank(values: list[float], share: float) -> None:
    """At least that share of the values is no larger, and the value was really measured."""
    values.sort()

    found = quantile(values, share)

    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) * 0.999999
    smaller = [value for value in values if value < found]
    assert len(smaller) < share * len(values) + 1e-6


def test_latencies_are_those_of_right_answers() -> None:
    """A server that refuses in a millisecond is not a fast server."""
    found = summary([sample(ms=100.0), sample(ms=1.0, ok=False)], 1.0)

    assert found["p50_ms"] == 100.0
    assert found["error_share"] == 0.5
    assert found["server_errors"] == 1


def test_the_longest_gap_is_between_two_right_answers() -> None:
    """What an outage felt like, whatever happened in between."""
    found = summary([sample(0.0), sample(1.0), sample(2.0, ok=False), sample(4.0)], 5.0)

    assert found["gap_ms"] == pytest.approx(3000.0)


def test_a_user_moved_when_two_servers_answered() -> None:
    """The measure of affinity."""
    samples = [
        sample(server="a", user=1),
        sample(server="a", user=1),
        sample(server="a", user=2),
        sample(server="b", user=2),
    ]

    assert moved(samples) == 1


def test_a_window_holds_what_was_due_within_it() -> None:
    """Due, not done: a request that was due during the fault belongs to the fault."""
    found = windows([sample(1.0, ms=5000.0), sample(3.0)], {"early": (0.0, 2.0), "late": (2.0, 4.0)}, 4.0)

    assert found["sent"] == 2
    assert found["early"]["p50_ms"] == 5000.0
    assert found["late"]["sent"] == 1


def snapshot(value: float) -> dict[str, object]:
    family = {"name": "a_total", "kind": "counter", "labels": ["code"], "values": [[["200"], value]]}
    gauge = {"name": "g", "kind": "gauge", "labels": [], "values": [[[], 5]]}
    histogram = {
        "name": "h",
        "kind": "histogram",
        "labels": [],
        "values": [[[], {"bounds": [1], "counts": [1, 2], "sum": 3}]],
    }
    return {"feed-1": [family, gauge, histogram]}


def test_a_counter_that_began_again_counts_from_nothing() -> None:
    """A killed process comes back with zeros; what it counted since then is the rise."""
    before, grown, reborn = counters(snapshot(10)), counters(snapshot(25)), counters(snapshot(4))

    assert ("a_total", {"code": "200", "process": "feed-1"}, 15.0) in rises(before, grown)
    assert ("a_total", {"code": "200", "process": "feed-1"}, 4.0) in rises(before, reborn)
    assert rises(before, before) == []


def test_a_histogram_counts_its_observations_and_a_gauge_is_left_out() -> None:
    """A gauge does not rise, it is."""
    found = counters(snapshot(1))

    assert found["feed-1", "h", ()] == 3.0
    assert not [name for _, name, _ in found if name == "g"]


def test_a_series_is_cut_into_steps() -> None:
    """What the report draws."""
    found = series([sample(0.1), sample(0.2, ok=False), sample(1.1, ms=30.0)], 0.5, 2.0)

    assert found["ok_per_s"][:3] == [2.0, 0.0, 2.0]
    assert found["errors_per_s"][0] == 2.0
    assert found["p95_ms"][2] == 30.0
