"""Accept, decide, give the socket away: with real sockets, in one process, turn by turn."""

import socket
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
import trio

from edge.common.config import AdmissionConfig
from edge.common.log import Log
from edge.common.metrics import Registry
from edge.l4.admission import Admission, Refusal
from edge.l4.counters import Counters
from edge.l4.distributor import Distributor
from edge.l4.handoff import Handoff
from tests.kit.worker_stand_in import StandIn

GENEROUS = AdmissionConfig(source_rate_per_s=1e6, source_burst=100_000)


class Stage:
    """An engine, its listener, and workers that move when told to."""

    def __init__(self, directory: Path, admission: AdmissionConfig = GENEROUS) -> None:
        self.directory = directory
        self.distributor = Distributor(Admission(admission), "weighted", Random(1), credit_max=64)
        self.counters = Counters(Registry())
        self.engine = Handoff(self.distributor, self.counters, Log("edge-l4", "test"), name="l4-test-a")
        self.engine.epoch = 7
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.listener.setblocking(False)
        self.phones: list[socket.socket] = []
        self.workers: dict[str, StandIn] = {}

    def path(self, name: str) -> Path:
        return self.directory / f"{name}.sock"

    def worker(self, name: str) -> StandIn:
        self.workers[name] = StandIn(self.path(name))
        return self.workers[name]

    def call(self, count: int = 1) -> list[socket.socket]:
        called = [socket.create_connection(self.listener.getsockname(), timeout=2) for _ in range(count)]
        self.phones += called
        return called

    def accept(self) -> bool:
        return self.engine.accept_batch(self.listener, "https", lambda: True)

    async def until_linked(self, name: str) -> None:
        while not (name in self.distributor.workers and self.distributor.workers[name].linked):
            await trio.sleep(0.001)

    async def until_settled(self) -> None:
        while self.engine.untaken():
            for worker in self.workers.values():
                worker.turn()
            await trio.sleep(0.001)

    def close(self) -> None:
        for phone in self.phones:
            phone.close()
        for worker in self.workers.values():
            worker.close()
        self.listener.close()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.close()


def echo(phone: socket.socket, worker: StandIn) -> bytes:
    phone.sendall(b"hello")
    phone.settimeout(0.01)
    for _ in range(100):
        worker.turn()
        try:
            return phone.recv(10)
        except TimeoutError:
            continue
    return b""


async def test_a_connection_reaches_its_worker_with_its_story(stage: Stage) -> None:
    """The record is what the trace will show of L4."""
    worker = stage.worker("l7-1")
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.engine.keep, "l7-1", stage.path("l7-1"))
            await stage.until_linked("l7-1")
            worker.turn()
            (phone,) = stage.call()
            stage.accept()
            await stage.until_settled()
            answer = echo(phone, worker)
            nursery.cancel_scope.cancel()

    (record,) = worker.records
    assert answer == b"hello"
    assert (record.source_ip, record.source_port) == phone.getsockname()
    assert (record.listener, record.l4_name, record.epoch, record.candidates) == ("https", "l4-test-a", 7, 1)
    assert record.accepted_ns <= record.decided_ns
    assert record.why


async def test_what_a_dead_worker_had_not_taken_goes_to_the_next(stage: Stage) -> None:
    """`kill -9` of a worker costs only what it held."""
    first, second = stage.worker("l7-1"), stage.worker("l7-2")
    first.taking = False
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.engine.keep, "l7-1", stage.path("l7-1"))
            nursery.start_soon(stage.engine.keep, "l7-2", stage.path("l7-2"))
            await stage.until_linked("l7-1")
            await stage.until_linked("l7-2")
            first.turn()
            second.turn()
            phones = stage.call(6)
            stage.accept()
            del stage.workers["l7-1"]
            first.close()
            await stage.until_settled()
            answers = [echo(phone, second) for phone in phones]
            nursery.cancel_scope.cancel()

    assert answers == [b"hello"] * 6
    assert len(second.records) == 6
    again = [record for record in second.records if "l7-1 left before it took it" in record.why]
    assert len(again) == 3
    assert stage.counters.given_again.value == 3


async def test_what_a_dead_worker_had_begun_is_reset_and_not_given_on(stage: Stage) -> None:
    """It read the phone's hello and died within the 20 ms before its credit was due.

    The next worker would wait for a hello that never comes again, and the phone with it.
    """
    first, second = stage.worker("l7-1"), stage.worker("l7-2")
    first.crediting = False
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.engine.keep, "l7-1", stage.path("l7-1"))
            await stage.until_linked("l7-1")
            first.turn()
            spoken, silent = stage.call(2)
            stage.accept()
            assert echo(spoken, first) == b"hello"
            nursery.start_soon(stage.engine.keep, "l7-2", stage.path("l7-2"))
            await stage.until_linked("l7-2")
            second.turn()
            del stage.workers["l7-1"]
            first.close()
            await stage.until_settled()
            with pytest.raises(ConnectionResetError):
                spoken.recv(1)
            answer = echo(silent, second)
            nursery.cancel_scope.cancel()

    assert answer == b"hello"
    assert len(second.records) == 1
    assert stage.distributor.admission.open_total <= 1


async def test_connections_wait_in_the_kernel_while_no_worker_is_there(stage: Stage) -> None:
    """A restart of all workers loses nothing that the backlog holds."""
    (phone,) = stage.call()
    stage.accept()
    untouched = (stage.engine.untaken(), stage.counters.results())
    worker = stage.worker("l7-1")
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.engine.accept, stage.listener, "https", lambda: True)
            nursery.start_soon(stage.engine.keep, "l7-1", stage.path("l7-1"))
            await stage.until_linked("l7-1")
            while not worker.records:
                worker.turn()
                await trio.sleep(0.001)
            answer = echo(phone, worker)
            nursery.cancel_scope.cancel()

    assert untouched == (0, {})
    assert answer == b"hello"


async def test_a_deposed_engine_accepts_nothing(stage: Stage) -> None:
    """It asks before each accept; the other one takes what waits."""
    worker = stage.worker("l7-1")
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.engine.keep, "l7-1", stage.path("l7-1"))
            await stage.until_linked("l7-1")
            stage.call(3)
            answers = iter([True, False])
            stage.engine.accept_batch(stage.listener, "https", lambda: next(answers))
            await stage.until_settled()
            nursery.cancel_scope.cancel()

    assert len(worker.records) == 1


async def test_a_worker_that_talks_rubbish_loses_its_link_and_nobody_else_notices(stage: Stage) -> None:
    """Half a credit, another version, a bug: counted, and the link begins anew."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(stage.path("l7-1")))
    listener.listen()
    with trio.fail_after(5), listener:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.engine.keep, "l7-1", stage.path("l7-1"))
            await stage.until_linked("l7-1")
            peer, _ = listener.accept()
            peer.send(b"\xc1 not msgpack")
            while stage.distributor.workers["l7-1"].link == 1:
                await trio.sleep(0.001)
            peer.close()
            nursery.cancel_scope.cancel()

    assert stage.counters.bad_credits.value == 1


async def test_a_refused_phone_is_reset_and_the_reason_counted(tmp_path: Path) -> None:
    """It learns at once, and nothing of it stays here."""
    stage = Stage(tmp_path, AdmissionConfig(source_rate_per_s=0.001, source_burst=1))
    worker = stage.worker("l7-1")
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.engine.keep, "l7-1", stage.path("l7-1"))
            await stage.until_linked("l7-1")
            worker.turn()
            welcome, refused = stage.call(2)
            stage.accept()
            await stage.until_settled()
            with pytest.raises(ConnectionResetError):
                refused.recv(1)
            answer = echo(welcome, worker)
            nursery.cancel_scope.cancel()
    stage.close()

    assert answer == b"hello"
    assert stage.counters.results() == {"handed": 1, Refusal.SOURCE_RATE.value: 1}
