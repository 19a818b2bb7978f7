"""More and fewer processes while the edge serves."""

from pathlib import Path

import pytest

from tests.kit.edges import running_edge, wait_for
from tests.kit.phones import Crowd

pytestmark = pytest.mark.e2e


def test_scaling_up_and_down_fails_nobody(tmp_path: Path) -> None:
    """Newcomers are used, leavers are drained; names stay with whoever had them."""
    settings = {"EDGE__LIMIT__ACCOUNT__RATE_PER_S": "100000", "EDGE__LIMIT__ACCOUNT__BURST": "100000"}
    with running_edge(tmp_path, settings) as edge:
        before = edge.live()
        door, ca = edge.address("l4-mumbai-a"), edge.run_dir / "ca.pem"
        with Crowd(door, ca, phones=6, pause_s=0.05, new_connection_each_time=True) as crowd:
            wait_for(lambda: crowd.answered > 20)
            more = [edge.run("scale", "feed", "4"), edge.run("scale", "l7-mumbai", "3")]
            up = edge.live()
            wait_for(lambda: _served(edge.members(), "feed-4") and _served(edge.members(), "l7-mumbai-3"))
            killed = edge.kill("feed-4")
            wait_for(lambda: edge.live().get("feed-4") not in (None, killed))
            fewer = [edge.run("scale", "feed", "1"), edge.run("scale", "l7-mumbai", "1")]
            down = edge.live()
            answered = crowd.answered
            wait_for(lambda: crowd.answered > answered + 20)
        again = edge.run("scale", "feed", "2")
        nonsense = [edge.run("scale", *words) for words in (("fed", "2"), ("feed", "0"), ("feed", "99"))]

    said = [done.stdout + done.stderr for done in (*more, *fewer, again)]
    assert [done.returncode for done in (*more, *fewer, again)] == [0] * 5, said
    assert up.keys() - before.keys() == {"feed-3", "feed-4", "l7-mumbai-3"}
    assert before.keys() - down.keys() == {"feed-2", "l7-mumbai-2"}
    assert not down.keys() & {"feed-3", "feed-4", "l7-mumbai-3"}
    assert all(down[name] == before[name] for name in down.keys() & before.keys())
    assert crowd.failures == []
    assert said[2] == "feed: 4 -> 1 (feed-1)\n"
    assert [done.returncode for done in nonsense] == [2, 2, 2]


def _served(members: dict[str, dict[str, object]], name: str) -> bool:
    load = members.get(name, {}).get("load")
    return isinstance(load, dict) and load.get("requests", 0) > 0
