"""Ready, or what is missing."""

from typing import Any

from edge.cli.status_report import age, report, rows, styles, summary
from edge.supervise.formation import Spec

EXPECTED = (Spec("hub", "control", "x:y"), Spec("l4-mumbai-a", "l4", "x:y", "mumbai"))
HUB: dict[str, Any] = {"name": "hub", "tier": "control", "pid": 1, "state": "live"}
L4: dict[str, Any] = {
    "name": "l4-mumbai-a",
    "tier": "l4",
    "pop": "mumbai",
    "pid": 4711,
    "state": "live",
    "role": "active",
    "since_unix": 100.0,
    "load": {"connections": 12.0},
}


def test_the_edge_is_ready_when_everything_expected_is_live() -> None:
    """The shape is a promise: scripts wait for it."""
    state = report(EXPECTED, [HUB, L4])

    assert state["ready"] is True
    assert (
        state["processes"][1].items()
        >= {
            "name": "l4-mumbai-a",
            "tier": "l4",
            "pop": "mumbai",
            "pid": 4711,
            "state": "live",
            "role": "active",
        }.items()
    )
    assert summary(state) == "ready: 2 processes are live"


def test_an_absent_process_is_listed_and_named() -> None:
    """Silence would look like health."""
    state = report(EXPECTED, [HUB])

    assert state["ready"] is False
    assert state["processes"][1]["state"] == "missing"
    assert state["processes"][1]["pid"] is None
    assert summary(state) == "not ready: l4-mumbai-a (missing)"


def test_a_process_that_is_still_starting_is_not_ready() -> None:
    """A worker that has linked may not be serving yet."""
    assert report(EXPECTED, [HUB, L4 | {"state": "starting"}])["ready"] is False


def test_a_guest_is_shown_and_nobody_waits_for_it() -> None:
    """A console or another host's worker comes and goes."""
    guest = {"name": "lens", "tier": "console", "pid": 9, "state": "starting"}

    state = report(EXPECTED, [HUB, L4, guest])

    assert state["ready"] is True
    assert state["processes"][-1]["name"] == "lens"


def test_nothing_at_all_is_not_running() -> None:
    """Which is another thing than "not ready"."""
    state = report(EXPECTED, [])

    assert state["ready"] is False
    assert summary(state) == "not running"
    assert styles(state["processes"]) == ["31", "31"]


def test_a_line_says_age_and_load() -> None:
    """What one looks at first when something is odd."""
    line = rows(report(EXPECTED, [HUB, L4])["processes"], unix_now=325.0)[1]

    assert line == ("l4-mumbai-a", "l4", "mumbai", "4711", "live", "active", "100", "3m", "connections=12")
    assert [age(seconds) for seconds in (-1, 59, 3600, 90_000)] == ["0s", "59s", "1h", "1d"]
