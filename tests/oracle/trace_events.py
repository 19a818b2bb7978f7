"""The Trace Event Format's rules, looked at one by one: what a viewer takes for granted.

From "Trace Event Format" (Google): complete events on one thread must nest, an arrow's
ends must lie in slices, and processes are named by metadata.
"""

from typing import Any

PHASES = {"X", "M", "s", "f"}
# Microseconds as doubles: what lies inside by a nanosecond may seem outside by less.
ROUNDING_US = 0.001


def check(exported: dict[str, Any]) -> list[dict[str, Any]]:
    """The slices, in the order of their beginning.  Raises `AssertionError`."""
    events = exported["traceEvents"]
    assert {event["ph"] for event in events} <= PHASES
    slices = [event for event in events if event["ph"] == "X"]
    named = {event["pid"] for event in events if event.get("name") == "process_name"}
    for event in slices:
        assert event["pid"] in named, "every process has a name"
        assert event["dur"] >= 0
        assert isinstance(event["args"], dict)
    threads = {(event["pid"], event["tid"]) for event in slices}
    for thread in threads:
        _check_nesting([event for event in slices if (event["pid"], event["tid"]) == thread])
    _check_arrows(events, slices)
    return sorted(slices, key=lambda event: float(event["ts"]))


def _check_nesting(slices: list[dict[str, Any]]) -> None:
    open_until: list[float] = []
    for event in sorted(slices, key=lambda one: (one["ts"], -one["dur"])):
        while open_until and open_until[-1] <= event["ts"] + ROUNDING_US:
            open_until.pop()
        end = event["ts"] + event["dur"]
        assert not open_until or end <= open_until[-1] + ROUNDING_US, f"{event['name']} straddles another"
        open_until.append(end)


def _check_arrows(events: list[dict[str, Any]], slices: list[dict[str, Any]]) -> None:
    begins = {event["id"]: event for event in events if event["ph"] == "s"}
    ends = {event["id"]: event for event in events if event["ph"] == "f"}
    assert begins.keys() == ends.keys()
    for event in (*begins.values(), *ends.values()):
        inside = [
            one
            for one in slices
            if (one["pid"], one["tid"]) == (event["pid"], event["tid"])
            and one["ts"] - ROUNDING_US <= event["ts"] <= one["ts"] + one["dur"] + ROUNDING_US
        ]
        assert inside, f"the arrow {event['id']} begins or ends in the void"
