"""What the README promises, asked of the real processes through TLS."""

import json
import os
import signal
import socket
import stat
import time
from pathlib import Path

import pytest

from tests.kit.edges import Edge, running_edge, wait_for
from tests.kit.phones import Crowd, Phone

pytestmark = pytest.mark.e2e

FEED = "/api/v1/feed/timeline/"
ATTACK = FEED + "?q=1%27%20UNION%20SELECT%20password%20FROM%20users--"


def pss_mib(pids: list[int]) -> float:
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def descendants(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        children = Path(f"/proc/{parent}/task/{parent}/children")
        if children.exists():
            found += [int(child) for child in children.read_text().split()]
    return found


def test_the_whole_formation_is_small(edge: Edge) -> None:
    """A student's laptop runs it beside a browser."""
    assert pss_mib(descendants(edge.honcho.pid)) < 600


def test_the_run_directory_is_for_its_owner_only(edge: Edge) -> None:
    """Control socket, keys and state are nobody else's."""
    assert stat.S_IMODE(edge.run_dir.stat().st_mode) == 0o700
    for key in [*(edge.run_dir / "keys").glob("*.key"), edge.run_dir / "keys" / "session-1.pem"]:
        assert stat.S_IMODE(key.stat().st_mode) == 0o600, key


def test_status_says_ready_and_names_every_process(edge: Edge) -> None:
    """A script can wait for the edge and find each pid."""
    done = edge.run("status", "--json", "--wait", "10")
    told = json.loads(done.stdout)

    assert done.returncode == 0
    assert told["ready"] is True
    assert {one["name"] for one in told["processes"]} == edge.expected()
    assert [one["role"] for one in told["processes"] if one["name"].startswith("l4-mumbai")].count(
        "active"
    ) == 1


def test_without_a_cookie_the_feed_is_refused_with_a_problem(phone: Phone) -> None:
    """401, in the form that RFC 9457 gives errors, with an id to ask about."""
    reply = phone.get(FEED)

    assert reply.status == 401
    assert reply.headers["content-type"] == "application/problem+json"
    assert len(reply.headers["x-request-id"]) == 32
    assert reply.json()["status"] == 401


def test_with_the_cookie_from_login_the_feed_comes_and_pages(phone: Phone) -> None:
    """The whole way: TLS, cookie, routing, fan-out."""
    phone.log_in("ada")

    first = phone.get(FEED)
    more = phone.get(f"{FEED}?max_id={first.json()['next_max_id']}")

    assert first.status == more.status == 200
    assert first.json()["feed_items"] != more.json()["feed_items"]
    assert "server-timing" in first.headers


def test_an_attack_is_refused_and_its_id_finds_the_whole_path(edge: Edge, phone: Phone) -> None:
    """403 tells the phone nothing but an id; the id tells the operator everything."""
    phone.log_in("ada")

    reply = phone.get(ATTACK)
    done = edge.run("trace", "--id", reply.headers["x-request-id"])

    assert reply.status == 403
    assert b"UNION" not in reply.body
    assert done.returncode == 0, done.stderr
    assert "waf" in done.stdout


def test_past_the_limit_the_answer_is_429_and_says_when_to_return(phone: Phone) -> None:
    """A polite phone that waits as told is never refused twice."""
    phone.log_in("radia")

    refused = None
    for _ in range(400):
        reply = phone.get("/api/v1/direct_v2/inbox/")
        if reply.status == 429:
            refused = reply
            break

    assert refused is not None
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.headers["content-type"] == "application/problem+json"


def test_plain_http_redirects(edge: Edge) -> None:
    """Port 8000 has one answer."""
    with socket.create_connection(edge.address("l4-mumbai-a", "http"), 5) as plain:
        plain.sendall(
            b"GET /api/v1/feed/timeline/ HTTP/1.1\r\nHost: i.edge.test\r\nConnection: close\r\n\r\n"
        )
        answer = b"".join(iter(lambda: plain.recv(65536), b""))

    assert answer.startswith(b"HTTP/1.1 308 ")
    assert b"location: https://i.edge.test" in answer.lower()


def test_a_trace_names_every_hop_and_adds_up(edge: Edge) -> None:
    """The product: one request, every hop, and the times add up."""
    done = edge.run("trace", FEED, "--from", "jaipur", "--as", "ada", "--cold")

    assert done.returncode == 0, done.stdout + done.stderr
    for hop in (
        "dns",
        "l4",
        "tls",
        "l7",
        "waf",
        "auth",
        "feed",
        "user",
        "ranking",
        "ads",
        "story",
        "recommend",
    ):
        assert hop in done.stdout, f"{hop} is missing:\n{done.stdout}"
    assert "unattributed" in done.stdout


def test_on_a_warm_connection_less_than_a_twentieth_is_unattributed(edge: Edge) -> None:
    """What cannot be explained is shown, and is small."""
    drawn = [edge.run("trace", FEED, "--from", "jaipur", "--as", "ada", "--warm").stdout for _ in range(3)]
    rests = [line for text in drawn for line in text.splitlines() if "unattributed  " in line]
    shares = [float(line.split("%")[0].split()[-1]) for line in rests]

    assert len(shares) == 3, drawn
    assert max(shares) < 5.0


def test_a_message_that_was_acknowledged_survives_kill_9(edge: Edge, phone: Phone) -> None:
    """201 means it is on the disk."""
    phone.log_in("ada")
    threads = phone.get("/api/v1/direct_v2/inbox/").json()
    thread = threads["inbox"]["threads"][0]["thread_id"]
    text = f"written at {time.monotonic_ns()}"
    sent = phone.ask(
        "POST",
        f"/api/v1/direct_v2/threads/{thread}/items/",
        json.dumps({"text": text}).encode(),
        {"Content-Type": "application/json", "Origin": "https://i.edge.test"},
    )
    pids = [edge.kill("dm-1"), edge.kill("dm-2")]
    wait_for(lambda: all(edge.live().get(name) not in (None, *pids) for name in ("dm-1", "dm-2")))
    wait_for(lambda: phone.get(f"/api/v1/direct_v2/threads/{thread}/").status == 200)

    assert sent.status == 201, sent.body
    assert text.encode() in phone.get(f"/api/v1/direct_v2/threads/{thread}/").body


@pytest.mark.parametrize("victim", ["hub", "feed-1", "dns-1"])
def test_killing_one_of_these_under_load_costs_no_request(edge: Edge, victim: str) -> None:
    """`kill -9` is an everyday event."""
    with Crowd(edge.address("l4-mumbai-a"), edge.run_dir / "ca.pem", phones=4) as crowd:
        wait_for(lambda: crowd.answered > 40)
        before = edge.kill(victim)
        wait_for(lambda: edge.live().get(victim) not in (None, before))
        seen = crowd.answered
        wait_for(lambda: crowd.answered > seen + 40)

    assert crowd.failures == []


def test_killing_a_worker_costs_at_most_what_it_held(edge: Edge) -> None:
    """Each phone has one request at a time, so at most one each; new connections go elsewhere."""
    with Crowd(edge.address("l4-mumbai-a"), edge.run_dir / "ca.pem", phones=6) as crowd:
        wait_for(lambda: crowd.answered > 40)
        before = edge.kill("l7-mumbai-1")
        wait_for(lambda: edge.live().get("l7-mumbai-1") not in (None, before))
        seen = crowd.answered
        wait_for(lambda: crowd.answered > seen + 60)

    assert len(crowd.failures) <= 6, crowd.failures


def test_a_persistent_attacker_is_refused_at_the_door(edge: Edge) -> None:
    """Caught by the WAF at one worker, banned at every distributor."""
    attacker = Phone(edge.address("l4-mumbai-a"), edge.run_dir / "ca.pem", source="127.0.66.6")

    with pytest.raises(OSError):  # noqa: PT012
        for _ in range(200):
            attacker.hang_up()
            attacker.get(ATTACK)
            time.sleep(0.005)

    bans = json.loads(edge.run("top", "--json").stdout or "{}")
    assert isinstance(bans, dict)
    edge.run("unban")


def test_dns_moves_jaipur_to_the_backup_when_mumbai_is_drained(edge: Edge) -> None:
    """Steering follows health within a beat."""
    before = edge.run("dig", "--from", "jaipur", "--json")
    edge.run("drain", "mumbai")
    try:
        wait_for(
            lambda: "127.0.2.1" in edge.run("dig", "--from", "jaipur", "--json").stdout,
            explain=lambda: edge.run("dig", "--from", "jaipur").stdout + edge.run("status").stdout,
        )
    finally:
        edge.run("undrain", "mumbai")
        edge.wait_ready()

    assert "127.0.1.1" in before.stdout


def test_ctrl_c_ends_everything_within_five_seconds(tmp_path: Path) -> None:
    """No process is left behind, so the next start finds its ports free."""
    with running_edge(tmp_path / "run") as edge:
        everybody = descendants(edge.honcho.pid)
        started = time.monotonic()
        os.kill(edge.honcho.pid, signal.SIGINT)
        edge.honcho.wait(timeout=10)
        took_s = time.monotonic() - started

    assert took_s < 5.5
    assert [pid for pid in everybody if Path(f"/proc/{pid}").exists()] == []
