"""What buttons may do."""

from typing import Any

import pytest

from edge.common.errors import EdgeError
from edge.console.actions import action_of

TIERS = {"feed-2": "service", "l7-mumbai-1": "l7", "lab": "lab"}


def test_a_fault_from_a_page_ends_like_every_other() -> None:
    """The page cannot leave out the end."""
    found = action_of(
        {"action": "fault", "target": "feed-2", "fault": {"kind": "latency", "amount": 300}}, TIERS, "c1"
    )

    assert (found.action, found.target) == ("fault", "feed-2")
    assert found.args["for_s"] == 30.0
    assert found.args["id"] == "c1"


def test_the_emergency_stop_reaches_everybody() -> None:
    """It takes no target, so it cannot miss."""
    assert action_of({"action": "clear"}, TIERS, "c1").target == "*"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"action": "drain"},
        {"action": "drain", "target": "*"},
        {"action": "drain", "target": "nobody"},
        {"action": "reload", "target": "feed-2"},
        {"action": "weight", "target": "feed-2"},
        {"action": "weight", "target": "feed-2", "weight": True},
        {"action": "weight", "target": "feed-2", "weight": -1},
        {"action": "weight", "target": "feed-2", "weight": 1001},
        {"action": "kill", "target": "lab"},
        {"action": "fault", "target": "feed-2"},
        {"action": "fault", "target": "feed-2", "fault": {"kind": "latency", "amount": 300, "for_s": 1e9}},
        {"action": "fault", "target": "feed-2", "fault": {"kind": "fire"}},
    ],
)
def test_what_is_not_on_the_list_does_not_exist(body: dict[str, Any]) -> None:
    """A short list is easier to trust than a long check."""
    with pytest.raises(EdgeError):
        action_of(body, TIERS, "c1")
