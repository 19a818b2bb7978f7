"""Accept, decide, give the socket away.  [I/O]

One link a worker: a Unix SOCK_SEQPACKET socket over which batches of descriptors
go out (`edge.l4.delivery`) and credits come back (`edge.common.handover`).  Raw
non-blocking sockets and `wait_readable` only: a stream object or a task a connection
would cost more than all that is done here.

Bounds: at most `ACCEPT_BATCH` accepts in a row and `ROUNDS_MAX` rounds before other tasks
get their turn; at most `credit_max` unacknowledged descriptors a worker; while nobody can
take more, nothing is accepted and the kernel's queue holds what comes.
"""

import errno
import os
import random
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import trio

from edge.common.faults import Faults
from edge.common.handover import (
    CREDIT_BYTES_MAX,
    RECORDS_MAX,
    Credit,
    Handover,
    HandoverError,
    ListenerName,
    decode_credit,
    encode_batch,
)
from edge.common.log import Log
from edge.l4.admission import Refusal
from edge.l4.counters import Counters
from edge.l4.delivery import ENDING, Delivery
from edge.l4.distributor import Distributor
from edge.l4.gather import Gather
from edge.l4.links import Link, connect
from edge.l4.ordered_faults import survives
from edge.l4.probe import HOP, Probe
from edge.l4.refuse import refuse_descriptor

ACCEPT_BATCH = RECORDS_MAX
# Gathering pauses in a row; with four milliseconds each, what other tasks may have to wait.
ROUNDS_MAX = 4
# A worker that was killed is back in about 20 ms; one that stays away is asked less often.
RELINK_S = 0.02
RELINK_MAX_S = 0.25
WATCH_S = 0.25
EXHAUSTED_S = 0.01
SETTLE_STEP_S = 0.005
# A worker takes a connection within microseconds and says so within 40 ms.  One that
# is stopped, or stuck, gets no more after this long; its next credit clears it.
STALL_S = 0.5
# accept() says this when the process is out of descriptors; credits free some soon.
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Handoff:
    """The engine: `keep` the links, `accept` from listeners while active."""

    def __init__(
        self,
        distributor: Distributor,
        counters: Counters,
        log: Log,
        *,
        name: str,
        reject: Literal["reset", "drop"] = "reset",
    ) -> None:
        self.epoch = 0
        self.reject = reject
        self.faults = Faults()  # the worker puts its process's own here
        self._distributor = distributor
        self._counters = counters
        self._log = log
        self._name = name
        self._pid = os.getpid()
        # Connection ids must differ between this process's lives and its pair's.
        self._id_prefix = f"c-{self._pid:x}{int(time.time()) & 0xFFFFFF:x}-"
        self._accepted = 0
        self._gathered = 0
        self._gather = Gather()
        self._delivery = Delivery(distributor, counters, log)
        self._room = trio.Event()
        # One buffer for all links: its content is used before anybody else gets a turn.
        self._view = memoryview(bytearray(CREDIT_BYTES_MAX))

    # -- links ----------------------------------------------------------------------

    async def keep(self, name: str, path: Path) -> None:
        """Stay linked to one worker until cancelled."""
        pause_s = RELINK_S
        while True:
            connection = connect(path)
            if connection is None:
                await trio.sleep(pause_s * (0.75 + 0.5 * random.random()))
                pause_s = min(RELINK_MAX_S, pause_s * 1.5)
                continue
            pause_s = RELINK_S
            link = self.link(name, connection)
            why = ENDING
            try:
                why = await self._listen(link)
            finally:
                self.unlink(link, why)
            await trio.sleep(RELINK_S * random.random())

    def link(self, name: str, connection: socket.socket) -> Link:
        """The worker `name` can be reached over `connection` from now on."""
        now = time.monotonic()
        worker = self._distributor.linked(name, now)
        link = Link(name, worker.link, connection, Probe(HOP, now, random))
        link.probe.answered(now)
        self._delivery.links[name] = link
        self._make_room()
        self._log.info("l4.worker_linked", worker=name)
        return link

    def unlink(self, link: Link, why: str) -> None:
        """It cannot any more."""
        self._delivery.lose(link, why)
        link.socket.close()

    async def _listen(self, link: Link) -> str:
        """Take credits until the link ends; how it ended."""
        while True:
            await trio.lowlevel.wait_readable(link.socket)
            why = self.hear(link)
            if why:
                return why

    def hear(self, link: Link) -> str:
        """Take the credit that has come, if any; why the link ends if it does."""
        try:
            size = link.socket.recv_into(self._view)
        except BlockingIOError:
            return ""
        except OSError as error:
            return error.strerror or repr(error)
        if not size:
            return "the worker hung up"
        try:
            credit = decode_credit(bytes(self._view[:size]))
        except HandoverError as error:
            self._counters.bad_credits.value += 1
            return str(error)
        self._take_credit(link, credit)
        return ""

    def _take_credit(self, link: Link, credit: Credit) -> None:
        now = time.monotonic()
        self._delivery.acknowledge(link, credit.taken)
        self._distributor.credited(link.name, credit, now)
        link.probe.answered(now)
        self._distributor.set_well(link.name, link.probe.well, now)
        self._make_room()

    def _make_room(self) -> None:
        if self._distributor.can_place():
            self._delivery.rehome()
            self._room.set()
            self._room = trio.Event()

    # -- accepting ------------------------------------------------------------------

    async def accept(
        self, listener: socket.socket, name: ListenerName, still_active: Callable[[], bool]
    ) -> None:
        """Distribute what arrives at `listener` until cancelled or no longer active."""
        while True:
            await trio.lowlevel.wait_readable(listener)
            if self.faults.armed and not await survives(self.faults, listener):
                continue
            if not self._accept_and_gather(listener, name, still_active):
                self._counters.exhausted.value += 1
                await trio.sleep(EXHAUSTED_S)
            if not still_active():
                return
            if not self._distributor.can_place():
                await self._room.wait()

    def _accept_and_gather(
        self, listener: socket.socket, name: ListenerName, still_active: Callable[[], bool]
    ) -> bool:
        """Accept who is here and, while many come, who comes within a few pauses."""
        for _ in range(ROUNDS_MAX):
            if not self.accept_batch(listener, name, still_active):
                return False
            pause_s = self._gather.pause_s(self._gathered, time.monotonic())
            self._gathered = 0
            if not pause_s:
                break
            # The whole process pauses, on purpose: the other tasks here wait for
            # credits and beats, which can wait for milliseconds, and being woken by
            # Trio costs eight times as much (24 against 186 us, measured under load).
            time.sleep(pause_s)
        return True

    def accept_batch(
        self, listener: socket.socket, name: ListenerName, still_active: Callable[[], bool]
    ) -> bool:
        """Accept until nobody waits, at most `ACCEPT_BATCH`; False when out of descriptors."""
        distributor = self._distributor
        family = listener.family
        in_order = True
        before = self._accepted
        for _ in range(ACCEPT_BATCH):
            # Asked before each accept: a process that was stopped between the question
            # and the accept takes one connection after its deposition, and never two.
            if not distributor.can_place() or not still_active():
                break
            try:
                # Not accept(): its socket object costs a system call and three
                # microseconds, and all we want is a number to pass on.
                descriptor, address = listener._accept()  # type: ignore[attr-defined]
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    in_order = False
                    break
                continue  # that phone gave up while it waited; the next one has not
            accepted_ns = time.monotonic_ns()
            source = socket.inet_pton(family, address[0])
            placement = distributor.place(source, address[1], accepted_ns * 1e-9)
            if placement is None:
                self._counters.no_worker.value += 1
                refuse_descriptor(descriptor, family, "reset")
            elif isinstance(placement, Refusal):
                self._counters.refused[placement].value += 1
                refuse_descriptor(descriptor, family, self.reject)
            else:
                self._accepted += 1
                record = Handover(
                    f"{self._id_prefix}{self._accepted:x}",
                    address[0],
                    address[1],
                    name,
                    accepted_ns,
                    self._name,
                    self._pid,
                    distributor.policy,
                    placement.choice.why,
                    round(placement.level, 1),
                    placement.candidates,
                    time.monotonic_ns(),
                    self.epoch,
                    placement.ticket,
                )
                self._delivery.queue(placement, descriptor, record, source)
                if not self._gather.busy:
                    # Accepted and not sent is what our own death would cost: one at most,
                    # unless there are so many that batches are worth more.
                    self._delivery.flush()
        self._gathered += self._accepted - before
        self._delivery.flush()
        return in_order

    # -- time -----------------------------------------------------------------------

    async def watch(self) -> None:
        """Probe links, find homes for the homeless, let old state go; until cancelled."""
        while True:
            await trio.sleep(WATCH_S)
            now = time.monotonic()
            self._distributor.admission.expire(now)
            self._distributor.refresh(now)
            for link in list(self._delivery.links.values()):
                self._probe(link, now)
            self._delivery.rehome()
            self._make_room()
            self._counters.see(self._distributor)

    def _probe(self, link: Link, now: float) -> None:
        if link.untaken and now - link.untaken[0][1].decided_ns * 1e-9 > STALL_S:
            self._distributor.set_well(link.name, False, now)
        if link.probe.expire(now):
            self._log.warning("l4.worker_unwell", worker=link.name, reason="no credit for a probe")
            self._distributor.set_well(link.name, False, now)
        if link.probe.due(now):
            link.probe.asked(now)
            try:
                link.socket.send(encode_batch(self._distributor.workers[link.name].sent + 1, []))
            except OSError:
                if link.probe.failed(now):
                    self._distributor.set_well(link.name, False, now)

    def untaken(self) -> int:
        """Connections that are still ours to bring to a worker."""
        return self._delivery.untaken()

    async def settle(self, patience_s: float) -> None:
        """Wait until every connection that was accepted is with a worker."""
        deadline = trio.current_time() + patience_s
        for _ in range(int(patience_s / SETTLE_STEP_S)):
            if not self.untaken() or trio.current_time() >= deadline:
                return
            await trio.sleep(SETTLE_STEP_S)
