"""Random phones, workers and accidents around the real handoff engine; replay a failure with SEED=...

Everything real but time and chance: descriptors travel over real links, connections are
TCP on loopback, and each step is one thing that somebody does.  Workers are slow, drain,
talk rubbish and die with sockets in flight; the L4 dies and begins anew while its workers
live on.
"""

import array
import os
import random
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from edge.common.config import AdmissionConfig, Balance
from edge.common.handover import BATCH_BYTES_MAX, RECORDS_MAX, Credit, decode_batch, encode_credit
from edge.common.log import Log
from edge.common.metrics import Registry
from edge.l4.admission import Admission
from edge.l4.counters import Counters
from edge.l4.distributor import Distributor
from edge.l4.fence import Fence
from edge.l4.handoff import Handoff
from edge.l4.lease import reason_to_claim
from edge.l4.links import Link
from tests.kit.effort import examples

SEED = int(os.environ.get("SEED", random.SystemRandom().randrange(10**6)))
WALKS, STEPS = examples(60), 250
NAMES = ("l7-1", "l7-2", "l7-3")
CREDIT_MAX = 12
PER_SOURCE_MAX = 15
PHONES_MAX = 80
LIMITS = AdmissionConfig(
    source_rate_per_s=1e6, source_burst=10**6, source_connections_max=PER_SOURCE_MAX, rate_per_s=1e6
)


class Books(Admission):
    """Counts each admission and each release: a double one would go unnoticed otherwise."""

    def __init__(self) -> None:
        super().__init__(LIMITS)
        self.admitted = 0
        self.released = 0

    def _open_one(self, key: bytes) -> None:
        self.admitted += 1
        super()._open_one(key)

    def release(self, source: bytes) -> None:
        self.released += 1
        super().release(source)


class L4:
    """One life of an L4."""

    def __init__(self, policy: Balance, seed: int) -> None:
        self.books = Books()
        self.distributor = Distributor(self.books, policy, random.Random(seed), credit_max=CREDIT_MAX)
        self.engine = Handoff(
            self.distributor, Counters(Registry()), Log("edge-l4", "simulation"), name="l4-a"
        )
        self.links: dict[str, Link] = {}

    def hear(self) -> None:
        """Take all that workers said; lose those that hung up or talked rubbish."""
        for name, link in list(self.links.items()):
            why = ""
            # Also from a link that is lost: a dozen credits may lie before its end.
            while not why and _has_spoken(link):
                why = self.engine.hear(link)
            if why:
                self.engine.unlink(link, why)
                del self.links[name]

    def die(self) -> None:
        """The kernel closes what the process had."""
        for link in self.links.values():
            for descriptor, _, _ in [*link.untaken, *link.unsent]:
                os.close(descriptor)
            link.socket.close()


def _has_spoken(link: Link) -> bool:
    try:
        link.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        pass  # for the engine to find out
    return True


class Worker:
    """One L7 worker, as far as L4 can tell."""

    def __init__(self) -> None:
        self.link: socket.socket | None = None
        self.held: dict[int, tuple[socket.socket, bool]] = {}  # our number -> connection, of this link
        self.tickets: dict[int, int] = {}
        self.taken = 0
        self.closed: list[int] = []
        self.draining = False
        self.slow = False
        self._numbers = 0

    def connect(self, link: socket.socket) -> None:
        self.link = link
        self.taken, self.closed, self.tickets = 0, [], {}

    def take(self) -> None:
        """One batch, if one is here; an L4 that is gone leaves what it had sent."""
        if self.link is None:
            return
        try:
            data, ancillary, _, _ = self.link.recvmsg(BATCH_BYTES_MAX, socket.CMSG_SPACE(4 * RECORDS_MAX))
        except BlockingIOError:
            return
        except OSError:
            data, ancillary = b"", []
        if not data:
            self.link.close()
            self.connect_lost()
            return
        numbers = array.array("i")
        for _, _, content in ancillary:
            numbers.frombytes(content)
        first, records = decode_batch(data, len(numbers))
        for descriptor, record in zip(numbers, records, strict=True):
            self._numbers += 1
            self.held[self._numbers] = (socket.socket(fileno=descriptor), False)
            self.tickets[self._numbers] = record.ticket
        self.taken = first + len(records) - 1 if records else self.taken

    def connect_lost(self) -> None:
        self.link = None
        self.tickets, self.closed = {}, []

    def finish(self, number: int) -> None:
        """A connection is over."""
        connection, _ = self.held.pop(number)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()
        if number in self.tickets:
            self.closed.append(self.tickets.pop(number))

    def credit(self) -> None:
        if self.link is not None:
            with suppress(OSError):
                self.link.send(encode_credit(Credit(self.taken, len(self.held), self.closed, self.draining)))
                self.closed = []

    def die(self) -> None:
        for connection, _ in self.held.values():
            connection.close()
        self.held = {}
        if self.link is not None:
            self.link.close()  # and with it the descriptors that were still under way
        self.connect_lost()
        self.draining = False


class World:
    """An L4, its workers, and phones."""

    def __init__(self, dice: random.Random, policy: Balance) -> None:
        self.dice = dice
        self.policy = policy
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.listener.setblocking(False)
        self.phones: list[socket.socket] = []
        self.workers = {name: Worker() for name in NAMES}
        self.l4 = L4(policy, dice.randrange(1000))

    # -- what may happen ----------------------------------------------------------------

    def call(self) -> None:
        for _ in range(self.dice.choice((1, 1, 1, 5))):
            if len(self.phones) < PHONES_MAX:
                phone = socket.socket()
                phone.bind((f"127.0.0.{self.dice.randint(2, 5)}", 0))
                phone.connect(self.listener.getsockname())
                self.phones.append(phone)

    def accept(self) -> None:
        l4 = self.l4
        before = {name: len(link.untaken) for name, link in l4.links.items()}
        able = self.able()
        l4.engine.accept_batch(self.listener, "https", lambda: True)
        got = {name for name, link in l4.links.items() if len(link.untaken) > before.get(name, 0)}
        # Where all of them turned out to be dead meanwhile, one that drains is better than nobody.
        assert not able & self.able() or got <= able, f"{got - able} drain, and got a new flow"

    def able(self) -> set[str]:
        """Who takes new work, as far as L4 knows."""
        return {
            name
            for name, worker in self.l4.distributor.workers.items()
            if worker.linked and not worker.draining and worker.weight
        }

    def take(self) -> None:
        worker = self.dice.choice(list(self.workers.values()))
        if not worker.slow:
            worker.take()

    def credit(self) -> None:
        worker = self.dice.choice(list(self.workers.values()))
        if not worker.slow:
            worker.credit()

    def finish(self) -> None:
        worker = self.dice.choice(list(self.workers.values()))
        if worker.held:
            worker.finish(self.dice.choice(list(worker.held)))

    def talk(self) -> None:
        """A worker begins to answer: whoever dies now takes the connection along."""
        worker = self.dice.choice(list(self.workers.values()))
        for number, (connection, _) in worker.held.items():
            with suppress(OSError):
                connection.send(b"x")
            worker.held[number] = (connection, True)

    def hang_up(self) -> None:
        if self.phones:
            self.phones.pop(self.dice.randrange(len(self.phones))).close()

    def slow_down(self) -> None:
        worker = self.dice.choice(list(self.workers.values()))
        worker.slow = not worker.slow

    def drain(self) -> None:
        worker = self.dice.choice(list(self.workers.values()))
        worker.draining = not worker.draining

    def weigh(self) -> None:
        self.l4.distributor.set_weight(self.dice.choice(NAMES), self.dice.choice((0, 100, 100, 300)), 0.0)

    def rubbish(self) -> None:
        worker = self.dice.choice(list(self.workers.values()))
        if worker.link is not None:
            with suppress(OSError):
                worker.link.send(self.dice.choice((b"\xff\xff", b"\x80", b"{}", os.urandom(20))))

    def kill_worker(self) -> None:
        self.dice.choice(list(self.workers.values())).die()

    def kill_l4(self) -> None:
        self.l4.die()
        self.l4 = L4(self.policy, self.dice.randrange(1000))

    def link(self) -> None:
        """Whoever has no link gets one, as `Handoff.keep` sees to it."""
        for name, worker in self.workers.items():
            if name not in self.l4.links and worker.link is None:
                here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                here.setblocking(False)
                there.setblocking(False)
                worker.connect(there)
                self.l4.links[name] = self.l4.engine.link(name, here)

    def hear(self) -> None:
        self.l4.hear()

    # -- what must hold -----------------------------------------------------------------

    def look(self) -> None:
        distributor = self.l4.distributor
        for worker in distributor.workers.values():
            assert 0 <= worker.sent - worker.taken <= CREDIT_MAX + RECORDS_MAX, worker
            assert worker.open >= 0
        for source in range(2, 6):
            assert self.l4.books.open_of(bytes((127, 0, 0, source))) <= PER_SOURCE_MAX
        assert self.l4.books.open_total == len(distributor.connections), "one row for each open connection"
        assert self.l4.books.admitted - self.l4.books.released == self.l4.books.open_total, "released twice"

    def settle(self) -> None:
        """Let every message arrive; then what L4 counts is what its workers hold."""
        for _ in range(6):
            self.hear()
            self.link()
            self.l4.engine._make_room()
            for worker in self.workers.values():
                for _ in range(50):
                    worker.take()
                worker.credit()
        for name, link in self.l4.links.items():
            told, true = self.l4.distributor.workers[name], len(self.workers[name].held)
            assert (told.load(), len(link.untaken)) == (true, 0), f"{name} holds {true}, L4 thinks {told}"

    def go_home(self) -> None:
        """Everybody hangs up: nothing may be left in anybody's books."""
        for worker in self.workers.values():
            worker.slow = worker.draining = False
        self.settle()
        for _ in range(3):
            self.accept()
            self.settle()
            for worker in self.workers.values():
                for number in list(worker.held):
                    worker.finish(number)
            self.settle()
        books = self.l4.books
        assert (books.open_total, len(self.l4.distributor.connections)) == (0, 0), "a flow was never credited"
        assert books.admitted == books.released, "a flow was credited twice"
        assert self.l4.engine.untaken() == 0

    def close(self) -> None:
        self.l4.die()
        for worker in self.workers.values():
            worker.die()
        for phone in self.phones:
            phone.close()
        self.listener.close()


# What happens, and how often.
ACTIONS: dict[Callable[[World], None], int] = {
    World.call: 30,
    World.accept: 30,
    World.take: 40,
    World.credit: 30,
    World.hear: 30,
    World.finish: 30,
    World.hang_up: 10,
    World.link: 8,
    World.talk: 4,
    World.slow_down: 4,
    World.drain: 3,
    World.weigh: 3,
    World.rubbish: 1,
    World.kill_worker: 3,
    World.kill_l4: 1,
}


@pytest.mark.parametrize("policy", ["least-connections", "weighted", "hash", "two-choices"])
def test_whatever_happens_each_flow_is_credited_once_and_the_counts_are_true(policy: Balance) -> None:
    """Bounds hold at every step; when all have gone home nothing is left in the books."""
    for walk in range(max(1, WALKS // 4)):
        seed = SEED + walk
        world = World(random.Random(seed), policy)
        try:
            for step in range(STEPS):
                (act,) = world.dice.choices(list(ACTIONS), list(ACTIONS.values()))
                act(world)
                world.look()
                if step % 60 == 59:
                    world.settle()
            world.go_home()
        except AssertionError as error:
            raise AssertionError(f"SEED={seed} ({policy}): {error}") from error
        finally:
            world.close()


class Contender:
    """A process of the pair; stopped, it does nothing, and wakes as if nothing had happened."""

    def __init__(self, directory: Path, rank: int) -> None:
        self.fence = Fence(directory, "mumbai")
        self.rank = rank
        self.asleep = False

    def turn(self, dice: random.Random) -> None:
        """What a process does when it is scheduled."""
        if self.asleep:
            return
        if self.fence.holds():
            self.fence.beat()
            return
        if self.fence.epoch:
            self.fence.resign()  # deposed while it slept
        sight = self.fence.look()
        # On one machine the kernel's word on the holder's state decides; here all share a
        # process, so whether it is stopped is chance's word, sometimes wrong.
        if reason_to_claim(sight, self.rank, 10.0, 0.05) is not None or dice.random() < 0.1:
            self.fence.claim()


def test_never_two_hold_one_epoch_and_never_two_believe_they_are_active(tmp_path: Path) -> None:
    """Deaths, stops, wake-ups, false alarms and claims at the same moment, in any order."""
    for walk in range(WALKS):
        dice = random.Random(SEED + walk)
        directory = tmp_path / f"{walk}"
        pair = [Contender(directory, rank) for rank in range(3)]
        owners: dict[int, Contender] = {}
        for _ in range(120):
            number = dice.randrange(3)
            happens = dice.random()
            if happens < 0.1:
                pair[number].fence.close()  # kill -9: the kernel lets go of the lock
                pair[number] = Contender(directory, number)
            elif happens < 0.3:
                pair[number].asleep = not pair[number].asleep
            else:
                pair[number].turn(dice)
            active = [one for one in pair if one.fence.holds()]
            assert len(active) <= 1, f"SEED={SEED + walk}: two believe they are active"
            for one in active:
                owner = owners.setdefault(one.fence.epoch, one)
                assert owner is one, f"SEED={SEED + walk}: epoch {one.fence.epoch} had two holders"
        for one in pair:
            one.fence.close()
