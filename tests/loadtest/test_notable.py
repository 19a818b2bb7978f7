"""Which requests does a person look at after a run?"""

from hypothesis import given
from hypothesis import strategies as st

from loadtest.notable import FAILURES_MAX, SLOWEST_MAX, Notable


@given(st.lists(st.floats(0, 1e6)))
def test_the_slowest_are_kept(times: list[float]) -> None:
    """Against sorting all of them."""
    notable = Notable()
    for number, took_ms in enumerate(times):
        notable.request("GET /", took_ms, f"id{number}", "")

    assert [seen.took_ms for seen in notable.slowest] == sorted(times, reverse=True)[:SLOWEST_MAX]


def test_failures_are_counted_and_the_first_are_kept() -> None:
    """A run with a million failures is told in twenty lines."""
    notable = Notable()
    for number in range(100):
        notable.request("GET /", 1.0, f"id{number}", "502 instead of 200")

    assert notable.failed == 100
    assert [seen.request_id for seen in notable.failures] == [f"id{number}" for number in range(FAILURES_MAX)]


def test_what_has_no_id_cannot_be_slow() -> None:
    """A DNS look-up has none, and `edge trace --id` could not find it."""
    notable = Notable()

    notable.request("DNS i.edge.test", 5000.0, "", "")

    assert notable.slowest == []


def test_the_summary_says_what_to_type() -> None:
    """Ids, the reasons, the parts that were missing, and where the phones went."""
    notable = Notable()
    notable.connections["127.0.1.1"] += 3
    notable.degraded.update(["ads"])
    notable.request("GET /feed", 120.0, "abc", "")
    notable.request("GET /feed", 20.0, "def", "504 instead of 200")

    text = "\n".join(notable.lines())

    for part in (
        "127.0.1.1",
        "ads 1",
        "edge trace --id",
        "abc",
        "def",
        "504 instead of 200",
        "failed requests: 1",
    ):
        assert part in text
