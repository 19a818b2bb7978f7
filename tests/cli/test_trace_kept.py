"""`edge trace --slow` and `--failed`."""

from typing import Any

from edge.cli.trace_kept import HEAD, LISTED_MAX, listed, rows


def told(number: int, *, status: int = 200, total_ms: float = 1.0) -> dict[str, Any]:
    return {
        "trace_id": f"{number:032x}",
        "method": "GET",
        "path": "/api/v1/feed/timeline/",
        "status": status,
        "flag": "-",
        "start_ns": number,
        "end_ns": number + 1,
        "total_ms": total_ms,
        "upstream": "feed-1",
    }


def test_slow_and_failed_are_chosen_apart_and_together() -> None:
    """The kept ones also hold what was merely asked for."""
    answers = {"l7-1": [told(1), told(2, total_ms=700.0)], "l7-2": [told(3, status=503)], "dns-1": None}

    def numbers(slow_ms: float | None, with_failed: bool) -> list[int]:
        return [int(one["trace_id"], 16) for one in listed(answers, slow_ms, with_failed=with_failed)]

    assert numbers(500.0, False) == [2]
    assert numbers(None, True) == [3]
    assert numbers(500.0, True) == [2, 3]


def test_what_both_the_worker_and_the_console_remember_is_listed_once() -> None:
    """Under the worker's own name."""
    answers = {"l7-1": [told(1, status=500)], "console": [{**told(1, status=500), "worker": "l7-1"}]}

    found = listed(answers, None, with_failed=True)

    assert [one["worker"] for one in found] == ["l7-1"]


def test_the_newest_stand_last_above_the_prompt() -> None:
    """A long list must not push them off the screen."""
    found = listed({"l7-1": [told(number, status=500) for number in range(100)]}, None, with_failed=True)

    assert len(found) == LISTED_MAX
    assert int(found[-1]["trace_id"], 16) == 99
    assert all(len(row) == len(HEAD) for row in rows(found, 200))
