"""Nothing fails on purpose-made trouble, at 200 requests a second for a minute.

All of issue 4's operations one after the other, under a load that does not slow down
when the edge does; then a feed is killed.  `EDGE_TROUBLE_RATE` asks for another rate,
for machines that have other things to do.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kit.edges import ROOT, Edge, running_edge, wait_for
from tests.kit.phones import Phone

pytestmark = pytest.mark.e2e

RATE = float(os.environ.get("EDGE_TROUBLE_RATE", "200"))
SECONDS = 60.0
# Of one feed.  Most of what a phone asks for is pictures, and most of those come from memory.
PICTURES = 17
# The threads begin, and the edge has answered all kinds once, before anything is done to it.
WARM_S = 3.0
ROUTE = '\n[[route]]\nname = "canned"\npath = "/canned/"\nrespond-status = 200\nrespond-body = "here"\n'


def test_operations_fail_nobody_at_full_rate(tmp_path: Path) -> None:
    """Rolling restarts of L7 and of all services, certificates, configuration, a route; and kill -9."""
    file = tmp_path / "edge.toml"
    file.write_text((ROOT / "edge.toml").read_text())
    settings = {"EDGE__LIMIT__ACCOUNT__RATE_PER_S": "100000", "EDGE__LIMIT__ACCOUNT__BURST": "100000"}
    with running_edge(tmp_path / "run", settings) as edge:
        edge.environment["EDGE_CONFIG"] = str(file)
        phone = Phone(edge.address("l4-mumbai-a"), edge.run_dir / "ca.pem")
        phone.log_in("ada")
        load = _load(edge, phone.cookie, _pull_to_refresh(phone))
        began = time.monotonic()
        time.sleep(WARM_S)

        def done(*words: str) -> Callable[[], None]:
            def act() -> None:
                result = edge.run(*words, timeout_s=60)
                assert result.returncode == 0, result.stdout + result.stderr

            return act

        def change_a_route() -> None:
            file.write_text(file.read_text() + ROUTE)
            done("reload")()
            wait_for(lambda: phone.get("/canned/").body == b"here")

        def kill_a_feed() -> None:
            before = edge.kill("feed-1")
            wait_for(lambda: edge.live().get("feed-1") not in (None, before))

        took = {}
        for name, act in (
            ("certificates", done("reload-certificates")),
            ("route", change_a_route),
            ("configuration", done("reload")),
            ("kill -9 feed-1", kill_a_feed),
            ("deploy l7", done("deploy", "l7")),
            ("deploy service", done("deploy", "service")),
        ):
            start = time.monotonic()
            act()
            took[name] = round(time.monotonic() - start, 1)
        over_s = time.monotonic() - began
        out, _ = load.communicate(timeout=SECONDS + 30)
    seen = json.loads(out)
    print(f"{seen}; seconds: {took}; done after {over_s:.0f} s")
    assert seen["failed"] == 0, seen
    assert seen["answered"] >= RATE * SECONDS * 0.99
    assert over_s < SECONDS, "the load has to outlast the trouble, or it proves nothing"


def _pull_to_refresh(phone: Phone) -> list[str]:
    """What a phone asks for: the feed, who it is, the stories, and then pictures."""
    feed = phone.get("/api/v1/feed/timeline/").body.decode()
    pictures = list(dict.fromkeys(re.findall(r'"(/media/[^"]+)"', feed)))[:PICTURES]
    assert len(pictures) > PICTURES / 2
    return ["/api/v1/feed/timeline/", "/api/v1/accounts/current_user/", "/api/v1/feed/reels_tray/", *pictures]


def _load(edge: Edge, cookie: str, paths: list[str]) -> "subprocess.Popen[str]":
    host, port = edge.address("l4-mumbai-a")
    words = [
        host,
        str(port),
        str(edge.run_dir / "ca.pem"),
        cookie,
        *paths,
        "--rate",
        str(RATE),
        "--seconds",
        str(SECONDS),
    ]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.kit.steady_load", *words], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
