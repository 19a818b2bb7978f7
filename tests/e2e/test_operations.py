"""Issue 4's operations under steady load: nobody outside notices what is changed inside.

The load is as many requests as this machine lets ten blocking phones make (30 to 200 a
second, printed with each test), over kept-alive connections and new ones.  Phones
send each request once, as a browser does with a POST: one that fails is a failure.
"""

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kit.edges import ROOT, Edge, running_edge, wait_for
from tests.kit.phones import Crowd, Phone

pytestmark = pytest.mark.e2e

# Phones that keep their connection, and phones that connect anew each time.
KEPT, NEW = 8, 2
PAUSE_S = 0.04
FEED = "/api/v1/feed/timeline/"
# So many have to be answered after the change, or a failure that comes late would go unseen.
AFTER = 60


@pytest.fixture(scope="module")
def changeable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Edge, Path]]:
    """An edge that several phones of one account may ask often, and a copy of its edge.toml."""
    directory = tmp_path_factory.mktemp("operations")
    settings = {
        "EDGE__LIMIT__ACCOUNT__RATE_PER_S": "100000",
        "EDGE__LIMIT__ACCOUNT__BURST": "100000",
    }
    file = directory / "edge.toml"
    file.write_text((ROOT / "edge.toml").read_text())
    with running_edge(directory / "run", settings) as edge:
        edge.environment["EDGE_CONFIG"] = str(file)
        yield edge, file


@contextmanager
def steady_load(edge: Edge) -> Iterator[list[Crowd]]:
    """Phones ask until the block is left; then none of them may have failed."""
    door, ca = edge.address("l4-mumbai-a"), edge.run_dir / "ca.pem"
    kept = Crowd(door, ca, phones=KEPT, pause_s=PAUSE_S)
    new = Crowd(door, ca, phones=NEW, pause_s=PAUSE_S, new_connection_each_time=True)
    with kept, new:
        wait_for(lambda: kept.answered > 50 and new.answered > 10)
        began, before = time.monotonic(), kept.answered + new.answered
        yield [kept, new]
        changed = kept.answered + new.answered
        wait_for(lambda: kept.answered + new.answered > changed + AFTER, 30.0)
        took_s, answered = time.monotonic() - began, kept.answered + new.answered - before
    failures = kept.failures + new.failures
    print(f"{answered} answered in {took_s:.1f} s ({answered / took_s:.0f} a second), failed: {failures}")
    assert failures == []


@pytest.mark.parametrize("target", ["l7", "feed", "service"])
def test_a_rolling_restart_fails_nobody(changeable: tuple[Edge, Path], target: str) -> None:
    """Each process is drained, replaced and live before the next one's turn."""
    edge, _ = changeable
    before = edge.live()

    with steady_load(edge):
        done = edge.run("deploy", target, timeout_s=90)

    after = edge.live()
    replaced = [name for name, pid in before.items() if after.get(name) != pid]
    assert done.returncode == 0, done.stdout + done.stderr
    assert replaced
    assert all(f"{name}: pid {before[name]}" in done.stdout for name in replaced)


def test_a_certificate_reload_fails_nobody(changeable: tuple[Edge, Path]) -> None:
    """Connections that are open go on; the next handshake sees the new certificate."""
    edge, _ = changeable

    with steady_load(edge):
        for _ in range(3):
            done = edge.run("reload-certificates")
            assert done.returncode == 0, done.stdout + done.stderr


def test_new_session_keys_fail_nobody_and_a_revoked_session_ends(changeable: tuple[Edge, Path]) -> None:
    """Who is logged in stays so; whom the operator logs out is out, also at a worker that starts later."""
    edge, _ = changeable
    before = Phone(edge.address("l4-mumbai-a"), edge.run_dir / "ca.pem")
    before.log_in("ada")

    with steady_load(edge):
        done = edge.run("rotate-keys")
    after = Phone(edge.address("l4-mumbai-a"), edge.run_dir / "ca.pem")
    after.log_in("ada")
    kids = [_part(phone.cookie, 0)["kid"] for phone in (before, after)]
    statuses = [phone.get(FEED).status for phone in (before, after)]
    revoked = edge.run("revoke", _part(before.cookie, 1)["jti"])
    edge.run("deploy", "l7", timeout_s=60)
    for phone in (before, after):
        phone.hang_up()  # the drain has closed these

    assert done.returncode == revoked.returncode == 0, done.stderr + revoked.stderr
    assert int(kids[1]) == int(kids[0]) + 1
    assert statuses == [200, 200]
    assert [before.get(FEED).status for _ in range(4)] == [401] * 4
    assert after.get(FEED).status == 200


def _part(cookie: str, number: int) -> dict[str, str]:
    text = cookie.partition("=")[2].split(".")[number]
    decoded: dict[str, str] = json.loads(base64.urlsafe_b64decode(text + "=="))
    return decoded


def test_a_changed_route_takes_effect_and_fails_nobody(changeable: tuple[Edge, Path]) -> None:
    """A new table is used from the next request on; no process is replaced for it."""
    edge, file = changeable
    phone = Phone(edge.address("l4-mumbai-a"), edge.run_dir / "ca.pem")
    before = edge.live()
    unknown = phone.get("/canned/")
    file.write_text(
        file.read_text()
        + '\n[[route]]\nname = "canned"\npath = "/canned/"\nrespond-status = 200\nrespond-body = "here"\n'
    )

    with steady_load(edge):
        done = edge.run("reload")
        wait_for(lambda: phone.get("/canned/").body == b"here", explain=lambda: done.stdout + done.stderr)

    assert unknown.status == 404
    assert edge.live() == before


def test_killing_a_feed_fails_no_get(changeable: tuple[Edge, Path]) -> None:
    """What was on its way is asked again at the other copy."""
    edge, _ = changeable

    with steady_load(edge):
        before = edge.kill("feed-1")
        wait_for(lambda: edge.live().get("feed-1") not in (None, before))
