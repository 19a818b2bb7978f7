"""Can this request be served on the spot, without waking anybody?  [I/O]

The usual request has no body, a service's connection lies ready for it, and its
answer arrives in one read.  Nothing in its life needs to wait but the two moments at
which the kernel has something to read, and for those a call from the poller does:

    on_phone    a head is here: judge it, run the pipeline, answer, or send it on
    on_service  the answer is here: send it to the phone, remember the request

Neither sends at once.  What a look of the poller at its sockets has brought is judged
first, then all of it is sent in a row (`Poller.send_soon`), and only then are the
finished requests written down.

For as many requests as stay usual the connection has no task.  Whatever is not usual
is handed over at the point that it has reached (`Handed`), and a task
(`PhoneConnection.run`) goes on from there: a head that is not whole, a body, an
upgrade, a cache that fetches, a mirror, a service without an idle connection, an
answer of several reads, a failure.  What a request goes through is written once, in
`edge.l7.serving` and `edge.l7.forward`, for both.

What it saves: two wake-ups of a task that stands ten awaits deep, about a fifth of a
hot request.
"""

import time
from typing import TYPE_CHECKING, Final

from edge.l7.exchange import needs_patience
from edge.l7.forward import Trip
from edge.l7.http1.head import Head, split_head
from edge.l7.http1.reply_head import BadReply
from edge.l7.http1.rules import Refused
from edge.l7.poller import PARK, TAKEN, WAKE
from edge.l7.transport import IDLE
from edge.l7.verdict import Answer, Verdict

if TYPE_CHECKING:
    from edge.l7.connection import PhoneConnection

_END: Final = b"\r\n\r\n"


class Handed:
    """How far a request has come that is the task's from here on."""

    __slots__ = ("answered", "error", "trip", "verdict")

    def __init__(
        self,
        verdict: Verdict = None,
        trip: Trip | None = None,
        *,
        answered: bool = False,
        error: Exception | None = None,
    ) -> None:
        self.verdict = verdict  # of the pipeline
        self.trip = trip  # to the service, where it is under way already
        self.answered = answered  # all that is missing is the rest of the last write
        self.error = error  # a bug


class Express:
    """The usual requests of one connection."""

    __slots__ = ("_answer", "_phone", "_trip", "handed")

    def __init__(self, phone: "PhoneConnection") -> None:
        self._phone = phone
        self._trip: Trip | None = None
        self._answer = b""  # for the phone, about to be sent
        self.handed: Handed | None = None

    def open(self) -> None:
        """From now on it serves."""
        self._phone.transport.watch.express = self.on_phone

    def shut(self) -> None:
        """A task sees to the connection, or nobody any more."""
        self._phone.transport.watch.express = None

    def abandon(self) -> None:
        """The connection ends, whatever is under way."""
        trip, self._trip = self._trip, None
        if trip is not None:
            self._phone.worker.forwarder.abandon(self._phone, trip)
            self._phone.end(trip.request)

    # -- called by the poller ------------------------------------------------------------

    def on_phone(self) -> int:
        """The phone has sent something."""
        if self._trip is not None or self._answer:
            return PARK  # it may say what it likes once it has its answer
        try:
            return self._serve()
        except Exception as error:
            # Not to be met by the poller, which serves everybody: the task raises it again.
            trip, self._trip = self._trip, None
            return self._hand_over(Handed(None, trip, error=error))

    def on_service(self) -> int:
        """The service has sent something."""
        trip = self._trip
        assert trip is not None and trip.channel is not None, "armed while a request is under way"
        try:
            data = trip.channel.receive_now()
            if data is not None:
                self._pass_on(trip, data)
        except Exception as error:
            self._wake_with(Handed(None, trip, error=error))
        return TAKEN

    # -- the way there -------------------------------------------------------------------

    def _serve(self) -> int:
        phone = self._phone
        transport, worker = phone.transport, phone.worker
        phone.start_ns = time.monotonic_ns()
        data = transport.receive_now()
        if data is None:
            return TAKEN
        if not data:
            phone.close()
            return TAKEN
        if transport.pending:
            return self._leave(data)
        known = worker.memo.known(data)
        if known is not None:
            head, companions = known
        else:
            judged = self._judged(data)
            if judged is None:
                return self._leave(data)
            head, companions = judged, None
        request = phone.begin(head)
        verdict = phone.judge(request, companions)
        if verdict is not None:
            if not isinstance(verdict, Answer):
                return self._hand_over(Handed(verdict))
            self._answer = phone.answer_bytes(request, verdict)
            worker.poller.send_soon(self._reply)
            return TAKEN
        forwarder = worker.forwarder
        mirrored = request.route is not None and request.route.mirror is not None
        if request.fetch is not None or forwarder.faults.armed or mirrored:
            return self._hand_over(Handed())
        trip = self._trip = forwarder.set_out(request, request.marks[-1] * 1e-9)
        if trip.target.hedge is not None:
            self._trip = None
            return self._hand_over(Handed(None, trip))
        if not forwarder.begin(phone, trip, request.marks[-1] * 1e-9) or not forwarder.take(phone, trip):
            self._trip = None
            return self._hand_over(Handed(None, trip))
        attempt, channel = trip.attempt, trip.channel
        assert attempt is not None and channel is not None, "begun and taken"
        phone.wait_for_service(trip.until)
        attempt.asked = phone.request_head(request, head, None, attempt, trip.until)
        worker.poller.send_soon(self._ask)
        return TAKEN

    def _judged(self, data: bytes) -> Head | None:
        """The verdict on a head that is all there is; None where the task has to look."""
        worker = self._phone.worker
        try:
            split = split_head(data, worker.limits)
            if split is None or split[1]:
                return None
            head = worker.memo.judge(split[0])
        except Refused:
            return None
        return None if head.body or head.upgrade else head

    def _ask(self) -> None:
        trip = self._trip
        assert trip is not None and trip.channel is not None and trip.attempt is not None, "on its way"
        channel, attempt = trip.channel, trip.attempt
        try:
            if channel.send_now(attempt.asked):
                attempt.sent_ns = time.monotonic_ns()
                channel.watch.express = self.on_service
                channel.watch.arm()
            else:
                trip.half_sent = True
                self._wake_with(Handed(None, trip))
        except Exception as error:
            self._wake_with(Handed(None, trip, error=error))

    # -- the way back --------------------------------------------------------------------

    def _pass_on(self, trip: Trip, data: bytes) -> None:
        phone, channel, attempt, request = self._phone, trip.channel, trip.attempt, trip.request
        assert channel is not None and attempt is not None, "under way"
        end = data.find(_END) + 4
        if end < 4:
            return self._hand_back(trip, data)
        now_ns = time.monotonic_ns()
        try:
            attempt.answered = data[:end]
            reply = phone.worker.reply_memo.judge(attempt.answered, request.method, request.trace.trace_id)
        except BadReply:
            return self._hand_back(trip, data)
        if len(data) - end != reply.length or needs_patience(phone, request, reply):
            return self._hand_back(trip, data)
        attempt.first_ns = now_ns
        attempt.status = reply.status
        self._answer = phone.whole_reply(request, reply, data[end:], attempt)
        channel.watch.express = None
        self._trip = None
        trip.target.way.give_back(channel, reply.keep_alive, now_ns * 1e-9)
        phone.worker.forwarder.settle(phone, trip, learned=True, blame=reply.status >= 500)
        return phone.worker.poller.send_soon(self._reply)

    def _reply(self) -> None:
        phone, answer = self._phone, self._answer
        try:
            if phone.transport.send_now(answer):
                phone.worker.poller.when_sent(self._over)
            else:
                self._answer = b""
                self._wake_with(Handed(answered=True))
        except Exception as error:
            self._wake_with(Handed(error=error))

    def _over(self) -> None:
        phone, self._answer = self._phone, b""
        request = phone.request
        assert request is not None, "it has been answered just now"
        try:
            self._done(phone.end(request))
        except Exception as error:
            self._wake_with(Handed(error=error))

    # -- who goes on ---------------------------------------------------------------------

    def _done(self, end_ns: int) -> None:
        """A request is over."""
        phone = self._phone
        if not phone.keep_alive:
            self.shut()
            phone.part()
            return
        transport = phone.transport
        transport.phase = IDLE
        transport.deadline = end_ns * 1e-9 + phone.worker.config.l7.idle_timeout_s
        if transport.watch.stale:
            transport.watch.arm()

    def _leave(self, data: bytes) -> int:
        """Nothing was done yet but reading: the task begins at the beginning."""
        self._phone.heard(data)
        self._wake()
        return WAKE

    def _hand_over(self, handed: Handed) -> int:
        """In the phone's own event."""
        self.handed = handed
        self._wake()
        return WAKE

    def _hand_back(self, trip: Trip, data: bytes) -> None:
        trip.early = data
        self._wake_with(Handed(None, trip))

    def _wake_with(self, handed: Handed) -> None:
        """In the service's event."""
        trip, self._trip = self._trip, None
        if trip is not None and trip.channel is not None:
            trip.channel.watch.express = None
        self.handed = handed
        self._wake()

    def _wake(self) -> None:
        self.shut()
        self._phone.see_to(self._phone.run)
