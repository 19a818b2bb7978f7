"""Datagrams, flow by flow: real sockets, one process, turn by turn."""

import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import trio

from edge.common.config import AdmissionConfig
from edge.common.log import Log
from edge.common.metrics import Registry
from edge.l4.admission import Admission
from edge.l4.counters import Counters
from edge.l4.distributor import Distributor
from edge.l4.udp import Udp

GENEROUS = AdmissionConfig(source_rate_per_s=1e6, source_burst=100_000)


def bound() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    made.settimeout(2)
    return made


class Stage:
    """A UDP engine, and servers that answer when told to."""

    def __init__(self) -> None:
        self.distributor = Distributor(Admission(GENEROUS), "hash", Random(1))
        self.counters = Counters(Registry())
        self.engine = Udp(self.distributor, self.counters, Log("edge-l4", "test"))
        self.listener = bound()
        self.listener.setblocking(False)
        self.servers = {"s1": bound(), "s2": bound()}
        self.engine.set_endpoints({name: server.getsockname() for name, server in self.servers.items()})

    def ask(self, phone: socket.socket, data: bytes) -> str:
        """Send `data`; the server that got it."""
        phone.sendto(data, self.listener.getsockname())
        self.engine.receive(self.listener)
        for name, server in self.servers.items():
            server.setblocking(False)
            try:
                received, self.seen_from = server.recvfrom(1000)
            except OSError:
                continue
            assert received == data
            return name
        return ""


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    made = Stage()
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(made.engine.accept, made.listener)
            yield made
            nursery.cancel_scope.cancel()
    made.listener.close()
    for server in made.servers.values():
        server.close()


async def test_a_question_is_passed_on_and_its_answer_comes_back() -> None:
    """The phone sees the address it asked, and the server one socket a flow."""
    async with stage() as edge:
        with bound() as phone:
            name = edge.ask(phone, b"who is i.edge.test?")
            edge.servers[name].sendto(b"127.0.1.1", edge.seen_from)
            phone.setblocking(False)
            stream = trio.socket.from_stdlib_socket(phone)
            answer, whence = await stream.recvfrom(100)

            assert answer == b"127.0.1.1"
            assert whence == edge.listener.getsockname()


async def test_a_flow_stays_where_it_is() -> None:
    """Also if the L4 and its table are lost: another one sends it to the same place."""
    async with stage() as edge, stage() as other:
        other.engine.set_endpoints({n: s.getsockname() for n, s in edge.servers.items()})
        for _ in range(8):
            with bound() as phone:
                first = edge.ask(phone, b"1")
                again = edge.ask(phone, b"2")
                key = bytes([127, 0, 0, 1]) + phone.getsockname()[1].to_bytes(2, "big")
                foretold, _ = other.distributor.would_choose(key, time.monotonic())

                assert foretold is not None
                assert first == again == foretold.name


async def test_an_endpoint_that_died_loses_its_flows_to_the_others_at_once() -> None:
    """And the question that the dead one never answered is asked again there."""
    async with stage() as edge:
        phones = [bound() for _ in range(16)]
        homes = {phone: edge.ask(phone, b"before") for phone in phones}
        orphans = [phone for phone, home in homes.items() if home == "s1"]
        edge.servers["s1"].close()
        survivor = edge.servers["s2"]
        del edge.servers["s1"]

        for phone in orphans:
            phone.sendto(b"after", edge.listener.getsockname())
            edge.engine.receive(edge.listener)
        heard: list[bytes] = []
        with trio.move_on_after(1):
            reader = trio.socket.from_stdlib_socket(survivor)
            while heard.count(b"after") < len(orphans):
                heard.append((await reader.recvfrom(100))[0])
        for phone in phones:
            phone.close()

    assert orphans
    assert heard.count(b"after") == len(orphans)


async def test_a_datagram_from_a_stranger_reaches_no_phone() -> None:
    """Flow sockets are connected, so the kernel drops whatever is not the endpoint's."""
    async with stage() as edge:
        with bound() as phone, bound() as stranger:
            edge.ask(phone, b"question")
            stranger.sendto(b"forged answer", edge.seen_from)
            phone.setblocking(False)
            with trio.move_on_after(0.05) as patience:
                await trio.socket.from_stdlib_socket(phone).recvfrom(100)

            assert patience.cancelled_caught


async def test_all_that_was_asked_and_not_answered_moves_along() -> None:
    """A resolver asks many questions from one port; one answer settles one of them."""
    async with stage() as edge:
        with bound() as phone:
            name = edge.ask(phone, b"0")
            for number in range(1, 40):
                assert edge.ask(phone, str(number).encode()) == name
            edge.servers[name].sendto(b"answer to 0", edge.seen_from)
            phone.setblocking(False)
            await trio.socket.from_stdlib_socket(phone).recvfrom(100)
            (other,) = edge.servers.keys() - {name}
            edge.engine.set_endpoints({other: edge.servers[other].getsockname()})
            moved = [edge.servers[other].recv(100) for _ in range(39)]

            assert moved == [str(number).encode() for number in range(1, 40)]
