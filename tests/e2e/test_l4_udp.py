"""DNS over the L4's UDP engine: one of two name servers is killed mid-run."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.tool]

QUERIES_PER_S = 1500
SECONDS = 6


def need(tool: str) -> None:
    """Skip on a person's machine, fail on CI."""
    if shutil.which(tool) is None:
        if os.environ.get("CI"):
            pytest.fail(f"{tool} is missing and CI installs it")
        pytest.skip(f"{tool} is missing (Debian: apt-get install {tool})")


@pytest.fixture
def processes() -> Iterator[list["subprocess.Popen[str]"]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def start(started: list["subprocess.Popen[str]"], *command: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True)
    started.append(process)
    return process


def first_number(process: "subprocess.Popen[str]") -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def test_half_the_name_servers_die_and_hardly_a_query_is_lost(
    processes: list["subprocess.Popen[str]"], tmp_path: Path
) -> None:
    """Under 0.5 % lost: flows move on the first refusal and take the unanswered along."""
    need("dnsperf")
    servers = [start(processes, "tests.kit.dns_stand_in") for _ in range(2)]
    to = [option for server in servers for option in ("--to", f"127.0.0.1:{first_number(server)}")]
    front = start(processes, "edge", "l4", "--listen", "127.0.0.1:0", *to, "--udp", "--balance", "hash")
    assert front.stdout is not None
    port = front.stdout.readline().split()[2].rpartition(":")[2]
    queries = tmp_path / "queries"
    queries.write_text("i.edge.test A\n" * 100)

    command = ["dnsperf", "-s", "127.0.0.1", "-p", port, "-d", str(queries), "-l", str(SECONDS)]
    options = ["-Q", str(QUERIES_PER_S), "-c", "20", "-t", "2"]
    dnsperf = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True)
    time.sleep(SECONDS / 2)
    servers[0].send_signal(signal.SIGKILL)
    report, _ = dnsperf.communicate(timeout=60)

    sent, lost = (int(re.search(rf"Queries {word}:\s+(\d+)", report)[1]) for word in ("sent", "lost"))  # type: ignore[index]
    print(f"{sent} sent, {lost} lost ({lost / sent:.3%})", file=sys.stderr)
    assert sent > QUERIES_PER_S * SECONDS * 0.5
    assert lost / sent < 0.005
