"""The whole edge with `engine = "relay"`: the same promises, with L4 on the path of every byte."""

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from edge.common.proxy_protocol import Endpoint, encode_v2
from tests.kit.edges import Edge, running_edge, wait_for
from tests.kit.phones import Phone

pytestmark = pytest.mark.e2e

FEED = "/api/v1/feed/timeline/"
RELAYED = {"EDGE_L4_ENGINE": "relay", "EDGE__POP__SINGAPORE__ENABLED": "false"}


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    with running_edge(tmp_path_factory.mktemp("edge") / "run", RELAYED) as running:
        yield running


def phone_at(edge: Edge, source: str) -> Phone:
    return Phone(edge.address("l4-mumbai-a"), edge.run_dir / "ca.pem", source)


def relayed(edge: Edge, result: str) -> float:
    """What the workers counted on their relay ports."""
    told = edge.run("metrics", "l7").stdout.splitlines()
    return sum(
        float(line.split()[-1])
        for line in told
        if line.startswith("edge_l7_relayed_total{") and f'result="{result}"' in line
    )


def connection_ended(opened: socket.socket) -> bool:
    with suppress(ConnectionResetError):
        return opened.recv(1) == b""
    return True


def test_a_feed_is_served_and_the_log_names_the_phone(edge: Edge) -> None:
    """The address in the log and in the limits is the phone's, not the L4's."""
    phone = phone_at(edge, "127.0.0.77")
    phone.log_in("ada")
    reply = phone.get(FEED)
    phone.hang_up()

    def logged() -> bool:
        lines = [
            json.loads(line)
            for file in (edge.run_dir / "logs").glob("access-l7-mumbai-*.jsonl")
            for line in file.read_text().splitlines()
        ]
        feeds = [line for line in lines if line.get("url.path") == FEED]
        return bool(feeds) and all(line["client.address"] == "127.0.0.77" for line in feeds)

    assert reply.status == 200
    wait_for(logged, 5)


def test_a_trace_shows_what_l4_decided(edge: Edge) -> None:
    """Its record travels in the PROXY header: who decided, under which epoch, and why."""
    told = edge.run("trace", FEED, "--from", "jaipur", "--as", "ada", "--cold", "--json")
    (l4,) = (
        {one["key"]: next(iter(one["value"].values())) for one in span["attributes"]}
        for resource in json.loads(told.stdout)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
        if span["name"] == "l4 accept and hand over"
    )

    assert int(l4["edge.epoch"]) >= 1
    assert "of 2" in l4["edge.why"]
    assert l4["edge.lb.policy"] == "weighted"
    assert 0 <= float(l4["edge.decided_ms"]) < 1000


def test_a_header_from_an_untrusted_address_is_refused(edge: Edge) -> None:
    """Any other address of this machine could be any phone otherwise; nobody else notices."""
    before = relayed(edge, "untrusted")
    host, port = edge.address("l7-mumbai-1", "relay")
    # It may be turned away before it has spoken, or even before it knows that it was connected.
    with (
        suppress(ConnectionResetError),
        socket.create_connection((host, port), 5, source_address=("127.0.0.66", 0)) as forger,
    ):
        with suppress(OSError):
            forger.sendall(encode_v2(Endpoint("203.0.113.9", 1), Endpoint("127.0.1.1", 8443)))
        assert connection_ended(forger)

    wait_for(lambda: relayed(edge, "untrusted") == before + 1, 5)
    assert phone_at(edge, "127.0.0.78").get("/healthz").status < 500


def test_rubbish_from_a_trusted_address_costs_that_connection_only(edge: Edge) -> None:
    """Wrong, cut up, silent: counted, and the others are served all the while."""
    before = relayed(edge, "bad-header")
    address = edge.address("l7-mumbai-1", "relay")
    with socket.create_connection(address, 10) as wrong, socket.create_connection(address, 10) as silent:
        wrong.sendall(b"GET / HTTP/1.1\r\n\r\n")
        silent.sendall(b"PROXY TCP4 203.0.1")
        began = time.monotonic()
        assert connection_ended(wrong)
        assert phone_at(edge, "127.0.0.78").get("/healthz").status < 500
        assert connection_ended(silent)
        waited_s = time.monotonic() - began

    wait_for(lambda: relayed(edge, "bad-header") == before + 2, 5)
    assert 4.0 < waited_s < 8.0, "a header has five seconds"


def test_faults_are_felt_at_this_hop(edge: Edge) -> None:
    """Every noun that means something to bytes; afterwards all is well."""
    phone = phone_at(edge, "127.0.0.79")
    assert phone.get("/healthz").status < 500
    assert edge.run("fault", "add", "latency", "--ms", "200", "--at", "l4-mumbai-a").returncode == 0
    began = time.monotonic()
    phone.get("/healthz")
    slow_s = time.monotonic() - began
    edge.run("fault", "clear")
    edge.run("fault", "add", "reset", "--at", "l4-mumbai-a", "--to", "l7")
    with pytest.raises(OSError):
        phone.get("/healthz")
    edge.run("fault", "clear")

    assert slow_s >= 0.4, "200 ms each way"
    assert phone.get("/healthz").status < 500


def test_a_killed_worker_costs_its_own_connections(edge: Edge) -> None:
    """The next connection goes to the other one, or waits the moment until it is back."""
    edge.kill("l7-mumbai-1")
    for _ in range(10):
        phone = phone_at(edge, "127.0.0.80")
        assert phone.get("/healthz").status < 500
        phone.hang_up()
    edge.wait_ready()


def test_a_stopped_worker_gets_no_more_connections(edge: Edge) -> None:
    """Its supervisor's socket still takes connections; only a probe that waits for an answer tells."""
    pid = edge.kill("l7-mumbai-2", signal.SIGSTOP)
    try:

        def passed_over() -> bool:
            said = edge.run("l4", "connections", "l4-mumbai-a").stdout
            return any("l7-mumbai-2" in line and "not well" in line for line in said.splitlines())

        wait_for(passed_over, 15)
        for _ in range(6):
            phone = phone_at(edge, "127.0.0.81")
            assert phone.get("/healthz").status < 500
            phone.hang_up()
    finally:
        os.kill(pid, signal.SIGCONT)
    edge.wait_ready()


def test_who_is_connected_is_told_with_bytes(edge: Edge) -> None:
    """A relay knows them; handoff cannot."""
    phone = phone_at(edge, "127.0.0.82")
    phone.get("/healthz")
    told = edge.run("explain", "flow", "127.0.0.82").stdout
    listed = edge.run("l4", "connections", "l4-mumbai-a", "--rows", "50").stdout
    phone.hang_up()

    assert "bytes in and" in told, told
    assert "127.0.0.82:" in listed, listed


def test_the_standby_takes_over_new_connections(edge: Edge) -> None:
    """What the dead one relayed is lost with it, which is the price of a relay; the door stays open."""
    edge.kill("l4-mumbai-a")
    for _ in range(10):
        phone = phone_at(edge, "127.0.0.83")
        assert phone.get("/healthz").status < 500
        phone.hang_up()
    edge.wait_ready()
