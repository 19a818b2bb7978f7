"""Which sockets have something to read, and who deals with it?  [I/O]

Trio's `wait_readable` arms its epoll anew for each wait: a system call, a dict
entry and an object, twice per request.  A worker reads from the same few sockets
for ever, so they are registered once, level-triggered, in an epoll of their own,
and one task waits in Trio for that epoll.

While there is work the task does not go back to Trio's epoll at all, but looks
into its own once in each turn of the loop, so that readers woken in one turn and
the look for the next ones share it.  The price is one more turn between the
kernel's event and the reader when the worker was asleep.

Waking a task is the dear part: Trio queues it, steps into it through every `await`
that it stands in, and the same again when it waits next.  So a watch may have an
`express`, a plain function that is called before anybody is woken and says what
became of the event: `TAKEN`, it is dealt with; `WAKE`, a task has been started for
it; `PARK`, not now.  It must not wait, and what it raises is its own affair (`edge.l7.express`).

What an express wants to send waits until all events of one look have been dealt with
(`send_soon`).  Whoever is written to while it sleeps has to be woken, and of a worker at
work that was a ninth of all CPU time (on a virtual machine, where it interrupts another
core).  Writes in a row wake a service once: it finds the others while it is awake.  A hot
request costs a tenth less.

A socket that has something to say while nobody reads it is taken out of the
epoll until somebody does, or it would be reported for ever.  A reader that was
woken and has not had its turn yet is reported once more, which is forgiven.

State: one entry per socket, owned by the worker.
"""

import select
from collections.abc import Callable
from typing import Final

import trio

# Events taken in one go; more stay in the kernel for the next turn.  Each may be a request served on
# the spot (50 us), and the loop's other tasks wait meanwhile.
EVENTS_MAX: Final = 64
# After so few events, all dealt with, we look again before the loop's turn ends: when little is going on,
# one more turn to find that there is nothing else would follow each event.  The other tasks wait meanwhile,
# for `FEW * LOOKS_MAX` events at most.
FEW: Final = 4
LOOKS_MAX: Final = 4
# What an express says of an event.
WAKE, TAKEN, PARK = 0, 1, 2
_EVENTS: Final = select.EPOLLIN | select.EPOLLRDHUP


class Watch:
    """One socket that may be waited for by one task at a time."""

    __slots__ = ("_descriptor", "_poller", "_ready", "_registered", "_task", "_woken", "express")

    def __init__(self, poller: "Poller", descriptor: int) -> None:
        self._poller = poller
        self._descriptor = descriptor
        self._registered = False
        self._ready = False
        self._woken = False
        self._task: trio.lowlevel.Task | None = None
        self.express: Callable[[], int] | None = None  # asked first

    async def readable(self) -> None:
        """Until there is something to read, an end or an error; may be wrong now and then."""
        if self._ready:
            self._ready = False
            await trio.lowlevel.checkpoint()
            return
        if not self._registered:
            self._poller.register(self, self._descriptor)
            self._registered = True
        assert self._task is None, "two tasks read from one socket"
        self._task = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(self._abort)

    @property
    def stale(self) -> bool:
        """Has it something to say although nobody asked?"""
        return self._ready

    def event(self) -> int:
        """The kernel reports it; what became of that: `TAKEN`, `WAKE` (a task has it next), or `PARK`."""
        if self.express is not None:
            said = self.express()
            if said == PARK:
                self._park()
            elif said == WAKE:
                self._woken = True
            return said
        task = self._task
        if task is not None:
            self._task = None
            self._woken = True
            trio.lowlevel.reschedule(task)
            return WAKE
        if self._woken:
            self._woken = False
        else:
            self._park()
        return PARK

    def arm(self) -> None:
        """Have events reported from now on, also one that was parked."""
        self._ready = False
        if not self._registered:
            self._registered = True
            self._poller.register(self, self._descriptor)

    def wake(self) -> None:
        """Wake who waits, without there being anything to read."""
        if self._task is not None:
            task, self._task = self._task, None
            trio.lowlevel.reschedule(task)

    def close(self) -> None:
        """Before its socket is closed; who waits is woken."""
        if self._registered:
            self._registered = False
            self._poller.unregister(self._descriptor)
        self.wake()

    def _park(self) -> None:
        if self._registered:
            self._registered = False
            self._poller.unregister(self._descriptor)
        self._ready = True

    def _abort(self, _: object) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED


class Poller:
    """The epoll of one worker; `run` has to be running for anybody to be woken."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._watches: dict[int, Watch] = {}
        self._looking = False
        self._sends: list[Callable[[], None]] = []
        self._sent: list[Callable[[], None]] = []

    def watch(self, descriptor: int) -> Watch:
        """A handle to wait with; it registers itself at the first wait."""
        return Watch(self, descriptor)

    def register(self, watch: Watch, descriptor: int) -> None:
        """For `Watch` only."""
        self._watches[descriptor] = watch
        self._epoll.register(descriptor, _EVENTS)

    def unregister(self, descriptor: int) -> None:
        """For `Watch` only."""
        del self._watches[descriptor]
        self._epoll.unregister(descriptor)

    def send_soon(self, send: Callable[[], None]) -> None:
        """Call `send`, which must not raise, when the events of this look have been dealt with."""
        self._sends.append(send)
        if not self._looking:
            self._send()

    def when_sent(self, then: Callable[[], None]) -> None:
        """Called by a `send`: call `then`, which must not raise either, after the others' sends."""
        self._sent.append(then)

    def _send(self) -> None:
        sends, self._sends = self._sends, []
        for send in sends:
            send()
        sent, self._sent = self._sent, []
        for then in sent:
            then()

    async def run(self) -> None:
        """Wake readers until cancelled."""
        watches, poll = self._watches, self._epoll.poll
        while True:
            await trio.lowlevel.wait_readable(self._epoll.fileno())
            looks, busy = 0, True
            while busy:
                busy = woken = False
                events = poll(0, EVENTS_MAX)
                self._looking = True
                try:
                    for descriptor, _ in events:
                        # An express may have closed one that was reported with it.
                        watch = watches.get(descriptor)
                        if watch is not None:
                            said = watch.event()
                            busy |= said != PARK
                            woken |= said == WAKE
                finally:
                    self._looking = False
                if self._sends:
                    self._send()
                looks += 1
                if woken or (busy and (len(events) > FEW or looks >= LOOKS_MAX)):
                    await trio.lowlevel.checkpoint()
                    looks = 0

    def close(self) -> None:
        """When all that was watched is closed: connections that end last still unregister here."""
        self._epoll.close()
