"""How does a placed connection come to its worker, and what if it does not?  [I/O]

Batches of descriptors go out over the links.  An accepted descriptor is ours until the
worker says `taken`; then our copy is closed.  If the link ends first the descriptor goes
to another worker, unless the dead one had begun to talk to it.  So a worker's death costs
the connections that it had taken, and ours costs none that were sent.

What no worker can take now waits for one, for `HOMELESS_S` and with at most
`HOMELESS_MAX` others, and is refused then.
"""

import array
import os
import socket
import time
from collections import deque

from edge.common.handover import RECORDS_MAX, Handover, encode_batch
from edge.common.log import Log
from edge.l4.counters import Counters
from edge.l4.distributor import NO_LINK, Distributor, Placement
from edge.l4.links import Link, Sent
from edge.l4.refuse import refuse_descriptor
from edge.l4.sockets import is_untouched

# How long a connection may wait for a worker after its own has died untaken.  Phones
# retry a connection after about that long.
HOMELESS_S = 3.0
HOMELESS_MAX = 1024

ENDING = "this L4 is ending"


class Delivery:
    """The links, and every descriptor that no worker has taken yet."""

    def __init__(self, distributor: Distributor, counters: Counters, log: Log) -> None:
        self.links: dict[str, Link] = {}
        self._distributor = distributor
        self._counters = counters
        self._log = log
        self._dirty: list[Link] = []
        self._homeless: deque[tuple[float, Sent]] = deque()

    def queue(self, placement: Placement, descriptor: int, record: Handover, source: bytes) -> None:
        """Send this one with the next `flush`."""
        link = self.links[placement.worker.name]
        if not link.unsent:
            self._dirty.append(link)
        link.unsent.append((descriptor, record, source))

    def flush(self) -> None:
        """Send what was queued, one message a worker and `RECORDS_MAX`."""
        # A link that fails hands its share to others, which makes those dirty again.
        while self._dirty:
            link = self._dirty.pop()
            while link.unsent:
                batch = link.unsent[:RECORDS_MAX]
                del link.unsent[:RECORDS_MAX]
                self._send(link, batch)

    def acknowledge(self, link: Link, taken: int) -> None:
        """The worker holds everything up to sequence `taken`, so our copies can go."""
        untaken = link.untaken
        # Not beyond what was sent: a worker that counts wrong must not free the rest.
        for _ in range(min(taken - link.acknowledged, len(untaken))):
            os.close(untaken.popleft()[0])
            link.acknowledged += 1

    def lose(self, link: Link, why: str) -> None:
        """The link has ended: others get what its worker has not begun to serve."""
        if link.ended:
            return
        link.ended = True
        del self.links[link.name]
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
        self.flush()

    def rehome(self) -> None:
        """Find workers for those that wait for one."""
        if not self._homeless:
            return
        now = time.monotonic()
        for _ in range(len(self._homeless)):
            until, item = self._homeless.popleft()
            self._give_again(item, "its worker died before it took it", now, until)
        self.flush()

    def untaken(self) -> int:
        """Connections that are still ours to bring to a worker."""
        return len(self._homeless) + sum(len(link.untaken) + len(link.unsent) for link in self.links.values())

    def _send(self, link: Link, batch: list[Sent]) -> None:
        worker = self._distributor.workers[link.name]
        first = self._distributor.sent(worker, len(batch))
        message = encode_batch(first, [record for _, record, _ in batch])
        descriptors = array.array("i", [descriptor for descriptor, _, _ in batch])
        try:
            link.socket.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
        except BlockingIOError:
            # Its queue is full although its credits are not.  These wait for the next
            # look; what comes meanwhile goes to the others.
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
            self.lose(link, error.strerror or repr(error))
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
        self.queue(placement, descriptor, again, source)

    def _wait(self, item: Sent, until: float) -> None:
        """Keep a connection that no worker can take now, unless it has waited enough."""
        if len(self._homeless) < HOMELESS_MAX and time.monotonic() < until:
            self._homeless.append((until, item))
            return
        self._distributor.give_up(item[1].ticket, NO_LINK)
        self._counters.no_worker.value += 1
        refuse_descriptor(item[0], _family(item[2]), "reset")


def _family(source: bytes) -> int:
    return socket.AF_INET if len(source) == 4 else socket.AF_INET6
