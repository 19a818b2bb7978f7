"""Which worker gets this connection, and who still counts as a worker?

The `Distributor` joins the parts: admission says whether, the balancer says to
whom, the connection table remembers it, and credits that come back from workers
keep the counts true.

A worker's load is `open + (sent - taken)`: what it says it holds, of any L4, plus
what is still on its way to it.  Nothing is added up over time, so nothing drifts,
and after a restart of either side the first credit makes it right.

Who may be chosen, in three steps, the first that leaves somebody:
1. workers that are linked, well, not draining, with a weight above zero, as long
   as they are at least `PANIC_BELOW` of those that are linked and have a weight;
2. panic: when more than that share looks unwell, the measurement is more likely
   wrong than the workers, so all linked ones with a weight are used (Envoy);
3. last resort: every linked worker that is not ending, drained by hand or not:
   a phone that is here can only be served here.
With nobody linked the L4 does not accept: connections wait in the kernel's queue.

State: one `Worker` each, the table, the admission; owned by the engine's task.
"""

from collections.abc import Iterable, Set
from copy import deepcopy
from dataclasses import dataclass
from typing import NamedTuple

from edge.common.balance import slow_start
from edge.common.balance.factory import make_balancer
from edge.common.balance.policy import NOBODY, Balancer, Choice, Dice, Target
from edge.common.config import Balance
from edge.common.handover import Credit
from edge.l4.admission import Admission, Refusal
from edge.l4.connections import Connections

PANIC_BELOW = 0.5  # Envoy's healthy panic threshold
NO_LINK = 0  # links count from 1; a connection that waits for a worker is on none


@dataclass(slots=True, eq=False)
class Worker:
    """One L7 worker, as this L4 sees it."""

    name: str
    link: int = 0  # the number of the current link; a new link gets a new number
    linked: bool = False
    well: bool = False
    draining: bool = False
    weight: int = 100  # percent of its fair share
    since: float = 0.0  # when it was linked, for slow start
    open: int = 0  # as it said last
    sent: int = 0  # sequences of this link that went out ...
    taken: int = 0  # ... and that arrived

    def load(self) -> float:
        """Connections it holds or is about to hold."""
        return self.open + (self.sent - self.taken)


class Placement(NamedTuple):
    """An admitted connection and its worker."""

    worker: Worker
    ticket: int
    level: float  # what its source may still open at once
    candidates: int
    choice: Choice


class Distributor:
    """Admission, choice, counts and memory of one L4."""

    def __init__(
        self,
        admission: Admission,
        policy: Balance,
        dice: Dice,
        *,
        credit_max: int = 1024,
        slow_start_s: float = 0.0,
    ) -> None:
        self.admission = admission
        self.connections = Connections()
        self.workers: dict[str, Worker] = {}
        self.mood = "nobody"  # "calm", "panic", "last-resort" or "nobody"
        self.candidates = 0
        self.policy = policy
        self._balancer: Balancer = make_balancer(policy)
        self._dice = dice
        self._credit_max = credit_max
        self._slow_start_s = slow_start_s
        self._links = 0
        self._full: set[str] = set()  # workers that owe us too many credits
        self._targets: list[Target] = []

    def set_policy(self, policy: Balance, credit_max: int, slow_start_s: float = 0.0) -> None:
        """Choose in another way from now on; the ramp of a slow start follows at the next `refresh`."""
        self._credit_max = credit_max
        self._slow_start_s = slow_start_s
        if policy != self.policy:
            self.policy = policy
            self._balancer = make_balancer(policy)
            self._balancer.set_endpoints(self._targets)
        self._full = {name for name in self.workers if self._owes_too_much(self.workers[name])}

    # -- placing --------------------------------------------------------------------

    def can_place(self) -> bool:
        """Whether accepting makes sense: somebody is there and not full."""
        return self.candidates > len(self._full)

    def place(
        self, source: bytes, port: int, now: float, key: bytes | None = None
    ) -> Placement | Refusal | None:
        """Admit and place a connection; None says that it was admitted but nobody can take it.

        Hashing policies go by `key`, which is the source unless something else is given.
        """
        verdict = self.admission.admit(source, now)
        if isinstance(verdict, Refusal):
            return verdict
        choice = self._balancer.pick(
            source if key is None else key,
            self._load_of,
            self._dice,
            self._full if self._full else NOBODY,
            now,
        )
        if choice is None:
            self.admission.release(source)
            return None
        worker = self.workers[choice.name]
        ticket = self.connections.add(source, port, worker.link, now)
        return Placement(worker, ticket, verdict, self.candidates, choice)

    def place_again(
        self, key: bytes, ticket: int, now: float, exclude: Set[str] = frozenset()
    ) -> Placement | None:
        """Its worker died or could not be reached: whose is this connection now?"""
        without = self._full | exclude
        choice = self._balancer.pick(key, self._load_of, self._dice, without if without else NOBODY, now)
        if choice is None:
            return None
        worker = self.workers[choice.name]
        self.connections.move(ticket, worker.link)
        return Placement(worker, ticket, 0.0, self.candidates, choice)

    def observe(self, name: str, latency_s: float, now: float) -> None:
        """How long it took to reach `name`; only peak EWMA listens."""
        self._balancer.observe(name, latency_s, now)

    def finished(self, ticket: int) -> None:
        """A connection that we carried ourselves has ended."""
        source = self.connections.remove(ticket)
        if source is not None:
            self.admission.release(source)

    def give_up(self, ticket: int, link: int) -> None:
        """The connection was never taken by anybody and has been refused."""
        source = self.connections.close(ticket, link)
        if source is not None:
            self.admission.release(source)

    def sent(self, worker: Worker, count: int) -> int:
        """`count` connections are going out to `worker`; the first one's sequence."""
        first = worker.sent + 1
        worker.sent += count
        if self._owes_too_much(worker):
            self._full.add(worker.name)
        return first

    def unsent(self, worker: Worker, count: int) -> None:
        """The last `count` did not go out after all."""
        worker.sent -= count

    # -- what is heard of workers -----------------------------------------------------

    def linked(self, name: str, now: float) -> Worker:
        """A link to this worker is up; it is believed well until it shows otherwise."""
        worker = self.workers.setdefault(name, Worker(name))
        self._links += 1
        worker.link = self._links
        worker.linked = worker.well = True
        worker.draining = False
        worker.since = now
        worker.open = worker.sent = worker.taken = 0
        self._full.discard(name)
        self.refresh(now)
        return worker

    def unlinked(self, name: str, now: float, untaken: Iterable[int] = ()) -> None:
        """The link ended, and with it all connections it carried but the `untaken` ones (tickets)."""
        worker = self.workers.get(name)
        if worker is None or not worker.linked:
            return
        worker.linked = worker.well = False
        self._full.discard(name)
        for ticket in untaken:
            self.connections.move(ticket, NO_LINK)
        for source in self.connections.close_link(worker.link):
            self.admission.release(source)
        self.refresh(now)

    def retired(self, name: str, now: float) -> None:
        """It gets nothing new; connections that it has go on, carried by us."""
        worker = self.workers.get(name)
        if worker is not None and worker.linked:
            worker.linked = worker.well = False
            self.refresh(now)

    def credited(self, name: str, credit: Credit, now: float) -> None:
        """Believe what a worker says of itself."""
        worker = self.workers[name]
        worker.taken = min(max(worker.taken, credit.taken), worker.sent)
        worker.open = credit.open
        for ticket in credit.closed:
            source = self.connections.close(ticket, worker.link)
            if source is not None:
                self.admission.release(source)
        if name in self._full and not self._owes_too_much(worker):
            self._full.discard(name)
        if worker.draining != credit.draining:
            worker.draining = credit.draining
            self.refresh(now)

    def set_well(self, name: str, well: bool, now: float) -> None:
        """What the probe thinks."""
        worker = self.workers[name]
        if worker.well != well:
            worker.well = well
            self.refresh(now)

    def set_weight(self, name: str, weight: int, now: float) -> None:
        """What the hub says; 0 is drained by hand."""
        worker = self.workers.setdefault(name, Worker(name))
        if worker.weight != weight:
            worker.weight = weight
            self.refresh(now)

    def refresh(self, now: float) -> None:
        """Work out anew who may be chosen; needed after time passed only during slow start."""
        linked = [worker for worker in self.workers.values() if worker.linked and not worker.draining]
        wanted = [worker for worker in linked if worker.weight > 0]
        well = [worker for worker in wanted if worker.well]
        if well and len(well) >= PANIC_BELOW * len(wanted):
            self.mood, chosen = "calm", well
        elif wanted:
            self.mood, chosen = "panic", wanted
        else:
            self.mood, chosen = ("last-resort" if linked else "nobody"), linked
        targets = [
            Target(
                worker.name,
                (worker.weight or 100) / 100 * slow_start.factor(now - worker.since, self._slow_start_s),
            )
            for worker in chosen
        ]
        # Also what is full is counted among those that may be chosen, and only those.
        self._full &= {target.name for target in targets}
        self._full |= {worker.name for worker in chosen if self._owes_too_much(worker)}
        self.candidates = len(targets)
        if targets != self._targets:
            self._targets = targets
            self._balancer.set_endpoints(targets)

    def would_choose(self, key: bytes, now: float) -> tuple[Choice | None, list[Target]]:
        """For explanations: the real next choice, made by copies that are thrown away."""
        rehearsal, dice = deepcopy(self._balancer), deepcopy(self._dice)
        full = self._full if self._full else NOBODY
        return rehearsal.pick(key, self._load_of, dice, full, now), list(self._targets)

    def _load_of(self, name: str) -> float:
        worker = self.workers[name]
        return worker.open + (worker.sent - worker.taken)

    def _owes_too_much(self, worker: Worker) -> bool:
        return worker.sent - worker.taken >= self._credit_max
