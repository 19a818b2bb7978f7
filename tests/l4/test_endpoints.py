"""The hop to the endpoints: sockets on loopback, port 0."""

import socket
from collections.abc import Iterator
from random import Random

import pytest
import trio

from edge.common.config import AdmissionConfig, HealthConfig
from edge.common.log import Log
from edge.l4.admission import Admission
from edge.l4.distributor import Distributor, Placement
from edge.l4.endpoints import Endpoints

KEY = bytes([203, 0, 113, 9])


@pytest.fixture
def servers() -> Iterator[list[socket.socket]]:
    made = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    for server in made:
        server.setblocking(False)
    yield made
    for server in made:
        server.close()


def distributor() -> Distributor:
    return Distributor(Admission(AdmissionConfig()), "round-robin", Random(1))


def placed(by: Distributor) -> Placement:
    placement = by.place(KEY, 1, 0.0)
    assert isinstance(placement, Placement)
    return placement


async def test_one_that_refuses_is_passed_over(servers: list[socket.socket]) -> None:
    """And tried less once it has failed often enough."""
    chooser = distributor()
    endpoints = Endpoints(chooser, Log("edge-l4", "test"))
    endpoints.set({"a": servers[0].getsockname(), "b": servers[1].getsockname()})
    servers[0].close()
    reached = []
    for _ in range(8):
        connection, placement = await endpoints.connect(placed(chooser), KEY)
        assert connection is not None
        connection.close()
        reached.append(placement.worker.name)

    assert set(reached) == {"b"}
    assert not chooser.workers["a"].well


async def test_a_socket_without_anybody_behind_it_fails_a_probe_that_waits(
    servers: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A supervisor's socket takes connections while its worker is stopped; only an answer is life."""
    quick = HealthConfig(interval_s=0.05, fast_interval_s=0.02, timeout_s=0.1, rise=1, fall=2, jitter=0.0)
    monkeypatch.setattr("edge.l4.endpoints.HOP", quick)
    chooser = distributor()
    endpoints = Endpoints(chooser, Log("edge-l4", "test"), send_proxy=True, hears_end=True)
    endpoints.set({"deaf": servers[0].getsockname(), "alive": servers[1].getsockname()})
    heard: list[bytes] = []

    async def live() -> None:
        while True:
            await trio.lowlevel.wait_readable(servers[1])
            probe, _ = servers[1].accept()
            probe.setblocking(False)
            await trio.lowlevel.wait_readable(probe)
            heard.append(probe.recv(100))
            probe.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(live)
        nursery.start_soon(endpoints.watch)
        with trio.fail_after(5):
            while chooser.workers["deaf"].well:
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()

    assert chooser.workers["alive"].well
    assert heard[0].startswith(b"\r\n\r\n\x00\r\nQUIT\n\x20"), "LOCAL: clearly no phone's"


async def test_whoever_waits_is_woken_by_the_first_endpoint(servers: list[socket.socket]) -> None:
    """Connections stay in the kernel's queue until then."""
    endpoints = Endpoints(distributor(), Log("edge-l4", "test"))
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(endpoints.some)
            await trio.testing.wait_all_tasks_blocked()
            endpoints.set({"a": servers[0].getsockname()})


async def test_a_new_address_is_a_new_endpoint(servers: list[socket.socket]) -> None:
    """What was thought of the old one does not hold there."""
    chooser = distributor()
    endpoints = Endpoints(chooser, Log("edge-l4", "test"))
    endpoints.set({"a": servers[0].getsockname()})
    first = chooser.workers["a"].link
    chooser.set_well("a", False, 0.0)

    endpoints.set({"a": servers[0].getsockname()})
    same = chooser.workers["a"].link
    endpoints.set({"a": servers[1].getsockname()})

    assert same == first
    assert chooser.workers["a"].link > first
    assert chooser.workers["a"].well
