"""A real SYN flood against the kernel's meter, in a network namespace of its own."""

import os
import shutil
import subprocess
import sys
import textwrap

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.tool]

# hping3 sleeps much longer than its -i says, so it floods as fast as it can, which is
# more than the promised 20,000 a second; niced, because the client has to run as well.
SYNS_PER_S = 20_000
CLIENTS = 200

# Runs inside the namespace; prints one line that the test reads.
INSIDE = textwrap.dedent(
    f"""
    import socket, subprocess, sys, threading, time
    from edge.l4.syn_guard import SynGuard
    from edge.l4.syn_rules import Guard

    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    listener = socket.create_server(("127.0.1.1", 8443), backlog=128)

    def serve():
        while True:
            phone, _ = listener.accept()
            phone.sendall(b"ok")
            phone.close()

    threading.Thread(target=serve, daemon=True).start()
    with SynGuard(Guard("127.0.1.1", (8443,), syns_per_s=50, burst=50)) as guard:
        command = ["nice", "hping3", "-q", "-S", "-p", "8443", "--flood", "-a", "127.0.9.9", "127.0.1.1"]
        began_flood = time.monotonic()
        flood = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        answered, slowest = 0, 0.0
        for number in range({CLIENTS}):
            began = time.monotonic()
            try:
                with socket.create_connection(
                    ("127.0.1.1", 8443), timeout=1.0, source_address=("127.0.7.7", 0)
                ) as client:
                    answered += client.recv(2) == b"ok"
            except OSError:
                pass
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(0.02)
        counts = guard.counts()
        rate = (counts.passed + counts.dropped) / (time.monotonic() - began_flood)
        flood.terminate()
        flood.wait()
    left = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True).stdout
    print(answered, round(rate), counts.dropped, round(slowest * 1000), "left" if left.strip() else "clean")
    """
)
KILLED = textwrap.dedent(
    """
    import os, signal, subprocess
    from edge.l4.syn_guard import SynGuard
    from edge.l4.syn_rules import Guard

    guard = Guard("127.0.1.1", (8443,), 50, 50)
    if os.fork() == 0:
        SynGuard(guard).__enter__()
        os.kill(os.getpid(), signal.SIGKILL)
    os.wait()
    def rules():
        return subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True).stdout
    left = rules().count("table inet edge_syn_")
    with SynGuard(guard):
        again = rules().count("table inet edge_syn_")
        chains = rules().count("hook input")
    print(left, again, chains, rules().count("edge_syn_"))
    """
)


def need(*tools: str) -> None:
    """Skip on a person's machine, fail on CI."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing and os.environ.get("CI"):
        pytest.fail(f"{missing} are missing and CI installs them")
    if missing:
        pytest.skip(f"{', '.join(missing)} missing")
    trial = subprocess.run(
        ["unshare", "--net", "nft", "list", "tables"], capture_output=True, text=True, check=False
    )
    if trial.returncode:
        pytest.skip(f"no network namespace with nftables here: {trial.stderr.strip()}")


def inside(script: str) -> list[str]:
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_flood_of_twenty_thousand_syns_a_second_does_not_touch_another_source() -> None:
    """A source that keeps to its limit gets 200 of 200."""
    need("nft", "hping3", "ip", "unshare")

    answered, rate, dropped, slowest_ms, left = inside(INSIDE)

    print(f"{answered}/{CLIENTS}, {rate} SYNs/s, {dropped} dropped, slowest {slowest_ms} ms", file=sys.stderr)
    assert int(answered) == CLIENTS
    assert int(rate) > SYNS_PER_S
    assert left == "clean"


def test_the_next_start_removes_what_a_kill_left() -> None:
    """kill -9 runs no clean-up; a table that nobody owns would drop SYNs for ever."""
    need("nft", "unshare")

    left, again, chains, after = inside(KILLED)

    assert (left, again, chains, after) == ("1", "1", "1", "0")
