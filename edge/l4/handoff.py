"""Accept, decide, give the socket away.  [I/O]

One link a worker: a Unix SOCK_SEQPACKET socket over which batches of descriptors
go out and credits come back (`edge.common.handover`).  Raw non-blocking sockets
and `wait_readable` only: a stream object or a task a connection would cost more
than all that is done here.

Who closes what: an accepted descriptor is ours until the worker says `taken`;
then our copy is closed.  If the link ends first, the descriptor goes to another
worker, unless the dead one had begun to talk to it.  So a worker's death costs the
connections that it had taken, and ours costs none that were sent.

Bounds: at most `ACCEPT_BATCH` accepts before other tasks get their turn; at most
`credit_max` unacknowledged descriptors a worker; while nobody can take more,
nothing is accepted and the kernel's queue holds what comes.
"""

import array
import errno
import os
import random
import socket
import time
from collections import deque
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
from edge.l4.distributor import NO_LINK, Distributor, Placement
from edge.l4.gather import Gather
from edge.l4.links import Link, Sent, connect
from edge.l4.ordered_faults import survives
from edge.l4.probe import HOP, Probe
from edge.l4.refuse import refuse_descriptor
from edge.l4.sockets import is_untouched

ACCEPT_BATCH = RECORDS_MAX
# A worker that was killed is back in about 20 ms; one that stays away is asked less often.
RELINK_S = 0.02
RELINK_MAX_S = 0.25
TICK_S = 0.1
EXHAUSTED_S = 0.01
SETTLE_STEP_S = 0.005
# A worker takes a connection within microseconds and says so within 20 ms.  One that
# is stopped, or stuck, gets no more after this long; its next credit clears it.
STALL_S = 0.5
# How long a connection may wait for a worker after its own has died untaken.  Phones
# retry a connection after about that long.
HOMELESS_S = 3.0
HOMELESS_MAX = 1024
# accept() says this when the process is out of descriptors; credits free some soon.
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

ENDING = "this L4 is ending"


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
        self._links: dict[str, Link] = {}
        self._dirty: list[Link] = []
        self._gathered = 0
        self._gather = Gather()
        self._homeless: deque[tuple[float, Sent]] = deque()
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
            now = time.monotonic()
            worker = self._distributor.linked(name, now)
            link = Link(name, worker.link, connection, Probe(HOP, now, random))
            link.probe.answered(now)
            self._links[name] = link
            self._make_room()
            self._log.info("l4.worker_linked", worker=name)
            why = ENDING
            try:
                why = await self._listen(link)
            finally:
                self._lose(link, why)
                connection.close()
            await trio.sleep(RELINK_S * random.random())

    async def _listen(self, link: Link) -> str:
        """Take credits until the link ends; how it ended."""
        while True:
            await trio.lowlevel.wait_readable(link.socket)
            try:
                size = link.socket.recv_into(self._view)
            except BlockingIOError:
                continue
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

    def _take_credit(self, link: Link, credit: Credit) -> None:
        now = time.monotonic()
        untaken = link.untaken
        # Not beyond what was sent: a worker that counts wrong must not free the rest.
        for _ in range(min(credit.taken - link.acknowledged, len(untaken))):
            os.close(untaken.popleft()[0])
            link.acknowledged += 1
        self._distributor.credited(link.name, credit, now)
        link.probe.answered(now)
        self._distributor.set_well(link.name, link.probe.well, now)
        self._make_room()

    def _lose(self, link: Link, why: str) -> None:
        if link.ended:
            return
        link.ended = True
        del self._links[link.name]
        # The worker may have taken some, and talked, without living to say so.  Another
        # would wait for words that the phone has already spent; a reset is kinder.
        held = [*link.untaken, *link.unsent]
        orphans = [item for item in held if is_untouched(item[0])]
        link.untaken.clear()
        link.unsent.clear()
        now = time.monotonic()
        self._distributor.unlinked(link.name, now, [record.ticket for _, record, _ in orphans])
        for descriptor, _, source in set(held).difference(orphans):
            refuse_descriptor(descriptor, _family(source), "reset")
        if why is not ENDING:
            self._log.warning("l4.worker_lost", worker=link.name, reason=why, untaken=len(orphans))
        for orphan in orphans:
            self._give_again(orphan, f"{link.name} left before it took it", now, now + HOMELESS_S)
        self._flush()

    # -- accepting ------------------------------------------------------------------

    async def accept(
        self, listener: socket.socket, name: ListenerName, still_active: Callable[[], bool]
    ) -> None:
        """Distribute what arrives at `listener` until cancelled or no longer active."""
        while True:
            await trio.lowlevel.wait_readable(listener)
            if self.faults.armed and not await survives(self.faults, listener):
                continue
            while self._distributor.can_place() and still_active():
                if not self.accept_batch(listener, name, still_active):
                    self._counters.exhausted.value += 1
                    await trio.sleep(EXHAUSTED_S)
                pause_s = self._gather.pause_s(self._gathered, time.monotonic())
                self._gathered = 0
                if not pause_s:
                    break
                await trio.sleep(pause_s)
            if not still_active():
                return
            if not self._distributor.can_place():
                await self._room.wait()

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
                self._queue(placement, (descriptor, record, source))
                if not self._gather.busy:
                    # Accepted and not sent is what our own death would cost: one at most,
                    # unless there are so many that batches are worth more.
                    self._flush()
        self._gathered += self._accepted - before
        self._flush()
        return in_order

    def _queue(self, placement: Placement, item: Sent) -> None:
        link = self._links[placement.worker.name]
        if not link.unsent:
            self._dirty.append(link)
        link.unsent.append(item)

    def _flush(self) -> None:
        """Send what was queued, one message a worker and `RECORDS_MAX`."""
        # A link that fails hands its share to others, which makes those dirty again.
        while self._dirty:
            link = self._dirty.pop()
            while link.unsent:
                batch = link.unsent[:RECORDS_MAX]
                del link.unsent[:RECORDS_MAX]
                self._send(link, batch)

    def _send(self, link: Link, batch: list[Sent]) -> None:
        worker = self._distributor.workers[link.name]
        first = self._distributor.sent(worker, len(batch))
        message = encode_batch(first, [record for _, record, _ in batch])
        descriptors = array.array("i", [descriptor for descriptor, _, _ in batch])
        try:
            link.socket.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
        except BlockingIOError:
            # Its queue is full although its credits are not.  These wait for the next
            # tick; what comes meanwhile goes to the others.
            now = time.monotonic()
            self._distributor.unsent(worker, len(batch))
            self._distributor.set_well(link.name, False, now)
            self._counters.send_failures.value += 1
            for item in batch:
                self._distributor.connections.move(item[1].ticket, NO_LINK)
                self._wait(item, now + HOMELESS_S)
        except OSError as error:
            # It has just died, and we know it before the link's own task does.
            self._distributor.unsent(worker, len(batch))
            self._counters.send_failures.value += 1
            link.unsent[:0] = batch
            self._lose(link, error.strerror or repr(error))
        else:
            link.untaken.extend(batch)
            self._counters.handed.value += len(batch)

    def _give_again(self, item: Sent, why: str, now: float, until: float) -> None:
        descriptor, record, source = item
        placement = self._distributor.place_again(source, record.ticket, now)
        if placement is None:
            self._wait(item, until)
            return
        again = record._replace(why=f"{placement.choice.why}; {why}", candidates=placement.candidates)
        self._counters.given_again.value += 1
        self._queue(placement, (descriptor, again, source))

    def _wait(self, item: Sent, until: float) -> None:
        """Keep a connection that no worker can take now, unless it has waited enough."""
        if len(self._homeless) < HOMELESS_MAX and time.monotonic() < until:
            self._homeless.append((until, item))
            return
        self._distributor.give_up(item[1].ticket, NO_LINK)
        self._counters.no_worker.value += 1
        refuse_descriptor(item[0], _family(item[2]), "reset")

    # -- time -----------------------------------------------------------------------

    async def watch(self) -> None:
        """Probe links, find homes for the homeless, let old state go; until cancelled."""
        while True:
            await trio.sleep(TICK_S)
            now = time.monotonic()
            self._distributor.admission.expire(now)
            self._distributor.refresh(now)
            for link in list(self._links.values()):
                self._probe(link, now)
            for _ in range(len(self._homeless)):
                until, item = self._homeless.popleft()
                self._give_again(item, "its worker died before it took it", now, until)
            self._flush()
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

    def _make_room(self) -> None:
        if self._distributor.can_place():
            self._room.set()
            self._room = trio.Event()

    def untaken(self) -> int:
        """Connections that are still ours to bring to a worker."""
        return len(self._homeless) + sum(
            len(link.untaken) + len(link.unsent) for link in self._links.values()
        )

    async def settle(self, patience_s: float) -> None:
        """Wait until every connection that was accepted is with a worker."""
        deadline = trio.current_time() + patience_s
        for _ in range(int(patience_s / SETTLE_STEP_S)):
            if not self.untaken() or trio.current_time() >= deadline:
                return
            await trio.sleep(SETTLE_STEP_S)


def _family(source: bytes) -> int:
    return socket.AF_INET if len(source) == 4 else socket.AF_INET6
