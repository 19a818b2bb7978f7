"""DNS as the rest of the world sees it: dig, kill -9, two processes behind an L4."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.edges import Edge, running_edge, wait_for

pytestmark = pytest.mark.e2e


def dig(edge: Edge, *arguments: str) -> str:
    host, port = edge.address("l4-dns-a", "udp")
    command = ["dig", f"@{host}", "-p", str(port), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout


@pytest.mark.tool
@pytest.mark.skipif(shutil.which("dig") is None, reason="needs dig (Debian: bind9-dnsutils)")
def test_a_stranger_with_dig_gets_the_pop_and_the_reason(edge: Edge) -> None:
    """No client of ours in between: BIND's own tool, over UDP and TCP."""
    told = dig(edge, "i.edge.test", "+subnet=192.0.2.0/28")

    assert "127.0.1.1" in told
    assert "CLIENT-SUBNET: 192.0.2.0/28/28" in told
    assert "from Jaipur: mumbai at 920 km" in told
    assert dig(edge, "I.eDgE.test", "+short", "+tcp", "+subnet=203.0.113.16/28").split() == ["127.0.2.1"]
    assert "status: REFUSED" in dig(edge, "example.com")
    assert "status: NXDOMAIN" in dig(edge, "nobody.edge.test")


def test_edge_dig_tells_people_and_programs_the_same(edge: Edge) -> None:
    """Exit status 0, 1 for "no such record", 2 for what makes no sense."""
    person, program = edge.run("dig", "--from", "jaipur"), edge.run("dig", "--from", "jaipur", "--json")

    data = json.loads(program.stdout)
    assert person.returncode == program.returncode == 0
    assert data["addresses"] == ["127.0.1.1"]
    assert data["why"] in person.stdout
    assert [(pop["pop"], pop["healthy"]) for pop in data["pops"]] == [("mumbai", True), ("singapore", True)]
    assert edge.run("dig", "nobody.edge.test").returncode == 1
    assert edge.run("dig", "--from", "atlantis").returncode == 2
    assert edge.run("dig", "--subnet", "jaipur").returncode == 2


def test_a_killed_name_server_is_back_before_the_phone_asks_again(edge: Edge) -> None:
    """The sockets outlive the processes, so a query waits in one instead of being lost."""
    before = edge.kill("dns-1")
    edge.kill("dns-2")
    edge.kill("l4-dns-a")

    data = json.loads(edge.run("dig", "--from", "jaipur", "--json").stdout)

    assert data["addresses"] == ["127.0.1.1"]
    assert data["took_ms"] < 1000, "within the first try"
    wait_for(lambda: edge.live().get("dns-1", before) != before)
    edge.wait_ready()


def test_one_name_server_has_the_address_itself(tmp_path: Path) -> None:
    """Nothing stands in front of it: a balancer for one is only a hop."""
    with running_edge(tmp_path / "run", {"EDGE__DNS__WORKERS": "1"}) as alone:
        assert "l4-dns-a" not in alone.live()
        assert alone.address("dns-1", "udp")[1] > 0
        assert alone.run("dig", "--from", "jaipur", "--json").returncode == 0


@pytest.mark.tool
@pytest.mark.skipif(shutil.which("dnsperf") is None, reason="needs dnsperf (Debian: dnsperf)")
@pytest.mark.parametrize("victim", ["dns-1", "l4-dns-a"])
def test_a_process_killed_mid_run_loses_next_to_nothing(edge: Edge, tmp_path: Path, victim: str) -> None:
    """At most what the killed one had read and not answered, be it a name server or the L4."""
    edge.wait_ready()
    host, port = edge.address("l4-dns-a", "udp")
    queries = tmp_path / "queries"
    queries.write_text("i.edge.test A\nmumbai.edge.test A\n")
    running = subprocess.Popen(
        ["dnsperf", "-s", host, "-p", str(port), "-d", str(queries), "-l", "6", "-Q", "2000", "-t", "2"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            running.wait(timeout=3)
        edge.kill(victim)
        out = running.communicate(timeout=20)[0]
    finally:
        running.kill()

    counts = {line.split(":")[0].strip(): line.split()[2] for line in out.splitlines() if "Queries " in line}
    sent, lost = int(counts["Queries sent"]), int(counts["Queries lost"])
    print(f"{sent} queries, {lost} lost", file=sys.stderr)
    assert sent > 5000
    assert lost / sent < 0.005
