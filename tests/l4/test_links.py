"""The sockets to the workers."""

from pathlib import Path

from edge.l4.links import connect, worker_names, worker_socket
from tests.kit.worker_stand_in import StandIn


def test_a_worker_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    """It is being restarted; a path without a listener is the same as no path."""
    path = worker_socket(tmp_path, "l7-mumbai-1")
    never = connect(path)
    StandIn(path).close()

    assert never is None
    assert connect(path) is None


def test_workers_are_those_promised_and_those_heard_of() -> None:
    """Before the hub's first word an L4 already knows whom the configuration promises."""
    assert worker_names("mumbai", 2, ["l7-mumbai-2", "l7-mumbai-9"]) == [
        "l7-mumbai-1",
        "l7-mumbai-2",
        "l7-mumbai-9",
    ]
