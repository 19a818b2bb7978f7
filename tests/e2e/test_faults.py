"""Faults at every hop of a real edge, and their end."""

import time
from collections.abc import Iterator

import pytest

from tests.kit.edges import Edge, running_edge, wait_for

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    with running_edge(tmp_path_factory.mktemp("edge") / "run") as running:
        assert running.run("trace", "--repeat", "3").returncode == 0
        yield running
        running.run("fault", "clear")


def took_s(edge: Edge, *arguments: str) -> tuple[float, int]:
    began = time.monotonic()
    done = edge.run("trace", "--cold", *arguments, timeout_s=60)
    return time.monotonic() - began, done.returncode


@pytest.mark.parametrize(
    "where",
    [
        ("--at", "ranking-1"),
        ("--at", "feed"),
        ("--at", "l7-mumbai-1", "--to", "feed"),
        ("--at", "l4-mumbai-a"),
        ("--at", "dns-1"),
    ],
    ids=lambda where: " ".join(where[1:]),
)
def test_latency_can_be_ordered_at_any_hop(edge: Edge, where: tuple[str, ...]) -> None:
    """Seen by the process that plays it, listed, and gone when it is cleared."""
    added = edge.run("fault", "add", "latency", "--ms", "150", "--for", "60s", *where)
    listed = edge.run("fault", "list").stdout
    status = took_s(edge)[1]
    cleared = edge.run("fault", "clear")

    assert added.returncode == 0, added.stderr
    assert "150 ms" in listed
    assert status == 0
    assert cleared.returncode == 0
    assert "150 ms" not in edge.run("fault", "list").stdout


def test_a_fault_ends_by_itself(edge: Edge) -> None:
    """Without anybody's help."""
    edge.run("fault", "add", "error", "--status", "503", "--at", "story-1", "--for", "6s")
    assert "error 503" in edge.run("fault", "list").stdout

    wait_for(lambda: "error 503" not in edge.run("fault", "list").stdout, 20)


def test_a_frozen_process_is_woken_by_the_emergency_stop(edge: Edge) -> None:
    """It hears nothing, and still it can be told."""
    pid = edge.live()["story-2"]
    edge.run("fault", "add", "freeze", "--at", "story-2", "--for", "50s")
    wait_for(lambda: edge.members().get("story-2", {}).get("state") != "live", 15, edge.describe)

    cleared = edge.run("fault", "clear")

    assert cleared.returncode == 0, cleared.stderr
    wait_for(lambda: "story-2" in edge.live(), 15, edge.describe)
    assert edge.live()["story-2"] == pid, "the same process goes on; nobody had to start another"


def test_the_trace_names_the_fault(edge: Edge) -> None:
    """Nobody should hunt for a bug that was ordered."""
    edge.run("fault", "add", "latency", "--ms", "50", "--at", "ranking-1", "--for", "30s")

    told = edge.run("trace", "--json").stdout
    edge.run("fault", "clear")

    assert "edge.fault.id" in told


@pytest.mark.parametrize(
    "arguments",
    [
        ("add", "earthquake", "--at", "feed-1"),
        ("add", "latency", "--at", "feed-1", "--for", "2h"),
        ("add", "latency", "--at", "feed-1", "--for", "700s"),
        ("add", "reset", "--at", "feed-1", "--share", "3"),
        ("add", "reset", "--at", "nobody"),
    ],
)
def test_nonsense_is_refused_with_a_reason(edge: Edge, arguments: tuple[str, ...]) -> None:
    """Exit status 2 or 1, and a sentence."""
    done = edge.run("fault", *arguments)

    assert done.returncode in (1, 2)
    assert done.stderr.strip()
