"""Which endpoint serves this request, and what if it fails?  [I/O]

Pick an endpoint, take a connection, and leave the exchange to
`edge.l7.exchange`.  A request is tried again only where that cannot do harm:
nothing was sent, or the method is idempotent (RFC 9110 section 9.2.2) and its
body is still held; on another endpoint, after a jittered pause, and within the
cluster's budget.  A service that drains may give back what it has not begun, and then even
a POST is sent again (ADR 14).  While the only copy is being replaced, requests wait for it
instead of failing (`Cluster.returns_soon`).  One case is free of charge: a kept-alive connection that ended
before its first byte was closed by the service while it was idle, so the same
request goes out again on a fresh one.

What could not be done becomes an `Answer` with one of Envoy's flags: UH no
endpoint, UD it drains, UF no connection, UO overflow, UT timeout, UC connection broken, URX
retries exhausted, UPE no proper answer.
"""

import time
from random import Random
from typing import TYPE_CHECKING, Final

import trio

from edge.common.faults import Faults
from edge.l7.exchange import Failure, exchange
from edge.l7.hedge import Hedges
from edge.l7.http1.head import Head
from edge.l7.http1.reply_head import ReplyMemo
from edge.l7.phone_body import PhoneBody
from edge.l7.record import Try
from edge.l7.request import Request
from edge.l7.transport import PeerGone
from edge.l7.upstream.affinity import CookieAffinity, affinity_key
from edge.l7.upstream.cluster import RETURN_S, Cluster, Pick
from edge.l7.upstream.hedge_delay import hedge_delay
from edge.l7.upstream.ordered_faults import suffer
from edge.l7.upstream.pool import Channel, ConnectFailed, Overflow, Way
from edge.l7.upstream.retry import backoff_s, is_safe
from edge.l7.verdict import Answer

if TYPE_CHECKING:
    from edge.l7.connection import PhoneConnection

# HAProxy's `retries` for connections that fail.
CONNECTS_MAX: Final = 3
# How often a request looks whether the copy it waits for is back.
RETURN_LOOK_S: Final = 0.02
# Nobody accepted the connection; it drains and has not begun.
_FREE: Final = frozenset(("UF", "UD"))
_HASHING: Final = frozenset(("hash", "bounded-hash"))
_DETAILS: Final = {
    "UH": (503, "The service has no healthy copy right now.", "destination_unavailable"),
    "UD": (503, "The service is being restarted.", "destination_unavailable"),
    "UF": (502, "The service cannot be reached right now.", "connection_refused"),
    "UO": (503, "The service is busy right now.", "connection_limit_reached"),
    "UT": (504, "The service did not answer in time.", "http_response_timeout"),
    "UC": (502, "The service broke off its answer.", "connection_terminated"),
    "URX": (502, "The service cannot be reached right now.", "destination_unavailable"),
    "FI": (503, "The service cannot be reached right now: a fault is being played.", "proxy_internal_error"),
    "UPE": (502, "The service gave no proper answer.", "http_protocol_error"),
}


class Target:
    """One cluster: who is there, the connections, and who is bound to whom."""

    __slots__ = ("affinity", "cluster", "hashing", "hedge", "way")

    def __init__(self, cluster: Cluster, way: Way, affinity: CookieAffinity | None) -> None:
        self.cluster = cluster
        self.way = way
        self.affinity = affinity
        self.hashing = cluster.config.balance in _HASHING
        self.hedge = hedge_delay(cluster.config.hedge)


class Trip:
    """The way of one request to a service, over all its tries."""

    __slots__ = (
        "again",
        "attempt",
        "bound",
        "channel",
        "deadline",
        "early",
        "half_sent",
        "key",
        "pick",
        "request",
        "target",
        "tried",
        "until",
    )

    def __init__(self, request: Request, target: Target, deadline: float) -> None:
        config = target.cluster.config
        self.request = request
        self.target = target
        self.deadline = deadline
        self.key = affinity_key(config, request) if target.hashing else None
        self.bound = target.affinity.wanted(request) if target.affinity is not None else None
        self.tried: list[str] = []
        self.again: Pick | None = None  # the same once more, on a fresh connection
        # Of the try that is under way.
        self.pick: Pick | None = None
        self.attempt: Try | None = None
        self.channel: Channel | None = None
        self.until = deadline
        self.half_sent = False  # the rest of the head is still in the channel's hands
        self.early = b""  # what of the answer has been read already

    @property
    def under_way(self) -> Try:
        """The try that has begun."""
        assert self.attempt is not None, "begun"
        return self.attempt


class Forwarder:
    """The way of one worker to all services."""

    def __init__(self, memo: ReplyMemo, dice: Random) -> None:
        self.targets: dict[str, Target] = {}
        self._memo = memo
        self._dice = dice
        self.stale_retries = 0
        self.retries = 0
        self.under_way = 0  # requests at the services now
        self.hedges = Hedges(dice)
        self.faults = Faults()  # the worker puts its process's own here

    # -- the steps of a try that wait for nothing -----------------------------------------

    def set_out(self, request: Request, now: float) -> Trip:
        """The request is to go to a service."""
        route = request.route
        assert route is not None, "the route stage lets nothing pass without a route"
        target = self.targets[route.cluster]
        return Trip(request, target, now + (route.config.timeout_s or target.cluster.config.timeout_s))

    def begin(self, phone: "PhoneConnection", trip: Trip, now: float) -> bool:
        """Choose an endpoint; False when there is none.  `settle` or `abandon` follows."""
        target = trip.target
        cluster = target.cluster
        pick = trip.again or cluster.pick(trip.key, trip.tried, now, self._dice, trip.bound)
        if pick is None:
            return False
        if target.affinity is not None and pick.endpoint != trip.bound:
            trip.bound = pick.endpoint
            trip.request.reply_lines += target.affinity.reply_line(pick.endpoint)
        trip.pick = pick
        trip.attempt = Try(
            "%016x" % (self._dice.getrandbits(64) or 1),
            pick.endpoint,
            pick.address,
            pick.why,
            time.monotonic_ns(),
        )
        trip.until = min(trip.deadline, now + cluster.config.try_timeout_s)
        phone.tries.append(trip.attempt)
        self.under_way += 1
        cluster.started(pick.endpoint, retry=len(phone.tries) > 1)
        return True

    def take(self, phone: "PhoneConnection", trip: Trip) -> bool:
        """Take a connection that lies ready; False when there is none."""
        attempt = trip.attempt
        assert attempt is not None, "begun"
        channel = trip.target.way.take(attempt.address, attempt.start_ns * 1e-9)
        if channel is None:
            return False
        # At hand when it was asked for: no clock is read for nothing.
        attempt.connected_ns = attempt.start_ns
        attempt.reused = channel.uses > 0
        trip.channel = phone.channel = channel
        return True

    def settle(self, phone: "PhoneConnection", trip: Trip, *, learned: bool, blame: bool = False) -> float:
        """The try is over; `learned`: it says something about the endpoint.  Returns when it was over."""
        attempt, pick, cluster = trip.attempt, trip.pick, trip.target.cluster
        assert attempt is not None and pick is not None, "begun"
        attempt.end_ns = time.monotonic_ns()
        now = attempt.end_ns * 1e-9
        self.under_way -= 1
        phone.channel = None
        trip.attempt = trip.channel = None
        trip.half_sent, trip.early = False, b""
        if learned:
            first_s = ((attempt.first_ns or attempt.end_ns) - attempt.start_ns) * 1e-9
            cluster.finished(pick.endpoint, not blame, first_s, now)
            if trip.target.hedge is not None and attempt.first_ns and not trip.request.body_expected:
                trip.target.hedge.learn(first_s)
        else:
            # The phone left, or we are to blame: nothing to learn about the endpoint.
            cluster.abandoned(pick.endpoint)
        return now

    def abandon(self, phone: "PhoneConnection", trip: Trip) -> None:
        """Nobody waits for this any more."""
        if trip.channel is not None:
            trip.channel.watch.express = None
            trip.target.way.give_back(trip.channel, False, 0.0)
        if trip.attempt is not None:
            self.settle(phone, trip, learned=False)

    # -- all of it -----------------------------------------------------------------------

    async def forward(
        self,
        phone: "PhoneConnection",
        request: Request,
        head: Head,
        body: PhoneBody | None,
        trip: Trip | None = None,
    ) -> Answer | None:
        """Bring the request to a service and its answer to the phone; `trip` where that has begun.

        None once the answer is on its way.  Raises `PeerGone` (the phone left) and
        `Refused` (its body is at fault).
        """
        now = time.monotonic()
        trip = trip or self.set_out(request, now)
        cluster, config = trip.target.cluster, trip.target.cluster.config
        lost: Failure | None = None
        while True:
            if trip.attempt is None and not self.begin(phone, trip, now):
                if await self._wait_for_return(phone, request, cluster, trip.deadline):
                    now = time.monotonic()
                    continue
                refusal = cluster.refusal(now)
                if lost is not None:
                    return self._give_up(phone, request, "URX", f"{lost.why}; then {refusal.why}", now)
                return self._give_up(phone, request, refusal.flag, refusal.why, now)
            attempt, pick = trip.attempt, trip.pick
            assert attempt is not None and pick is not None, "begun"
            blame = learned = False
            try:
                if self.faults.armed and trip.channel is None:
                    ordered = await suffer(self.faults, config.name, pick.endpoint, trip.until)
                    if ordered is not None:
                        raise Failure(*ordered, sent=False)
                await self._try(phone, request, head, body, trip, attempt)
                learned, blame = True, trip.under_way.status >= 500
                return None
            except Failure as failure:
                attempt, pick = trip.under_way, trip.pick  # a hedge may have changed both
                assert pick is not None, "begun"
                attempt.error = failure.flag
                learned = blame = failure.blame
                lost = failure
            finally:
                now = self.settle(phone, trip, learned=learned, blame=blame)
            held = body is None or body.replayable
            safe = held and is_safe(request.method, sent=lost.sent, answered=phone.head_sent)
            if safe and lost.stale:
                self.stale_retries += 1
                trip.again = pick
                continue
            trip.again = None
            # What cost the service nothing is not charged to the budget; and who drains and gives a request
            # back is no retry in the sense of `attempts`, which may forbid those.
            free = lost.flag in _FREE
            allowed = config.retry.attempts
            limit = CONNECTS_MAX if lost.flag == "UD" or (free and allowed) else allowed
            spent = len(trip.tried) >= limit or now >= trip.deadline
            if not safe or spent or not (free or cluster.may_retry(now)):
                return self._give_up(phone, request, lost.flag, lost.why, now)
            self.retries += 1
            trip.tried.append(pick.endpoint)
            pause_s = backoff_s(config.retry, len(trip.tried), self._dice.random())
            await trio.sleep(min(pause_s, max(0.0, trip.deadline - now)))
            now = time.monotonic()

    async def _wait_for_return(
        self, phone: "PhoneConnection", request: Request, cluster: Cluster, deadline: float
    ) -> bool:
        """Wait while the cluster is between two lives; True when it is worth to pick again."""
        began = now = time.monotonic()
        if not cluster.returns_soon(now):
            return False
        # Past the wait, so that the walker never ends it before we do.
        phone.wait_for_service(deadline + 1.0)
        cluster.waiting += 1
        try:
            while now < deadline and not cluster.staffed and now - began < RETURN_S:
                await trio.sleep(RETURN_LOOK_S)
                now = time.monotonic()
        finally:
            cluster.waiting -= 1
        waited_ms = (now - began) * 1e3
        request.note("upstream", "waited %.0f ms for a copy of %s to be back", waited_ms, cluster.config.name)
        return now < deadline and cluster.staffed

    async def _try(
        self,
        phone: "PhoneConnection",
        request: Request,
        head: Head,
        body: PhoneBody | None,
        trip: Trip,
        attempt: Try,
    ) -> None:
        way = trip.target.way
        if trip.channel is None and (trip.again is not None or not self.take(phone, trip)):
            try:
                trip.channel = phone.channel = await way.open(attempt.address)
                attempt.connected_ns = time.monotonic_ns()
            except ConnectFailed as error:
                raise Failure("UT" if error.timed_out else "UF", str(error), sent=False) from error
            except Overflow as error:
                raise Failure("UO", str(error), sent=False, blame=False) from error
        again = False
        try:
            if trip.target.hedge is not None and not attempt.sent_ns:
                await self.hedges.run(phone, request, head, trip)
            again = await exchange(phone, request, head, body, trip, self._memo)
        finally:
            assert trip.channel is not None, "taken"
            way.give_back(trip.channel, again, time.monotonic())

    def _give_up(
        self, phone: "PhoneConnection", request: Request, flag: str, why: str, now: float
    ) -> Answer | None:
        if phone.head_sent:
            # The answer has begun: all that is left is to break it off, so that nobody takes it for whole.
            phone.flag, phone.why, phone.keep_alive = flag, why, False
            raise PeerGone
        if request.fetch is not None and (stale := request.fetch.failed(now, phone.unix_now())) is not None:
            return stale
        status, detail, token = _DETAILS[flag]
        return Answer(
            status=status,
            reason=flag,
            detail=detail,
            why=why,
            headers=((b"proxy-status", b"%b; error=%b" % (phone.hop, token.encode())),),
            retry_after_s=1.0 if status == 503 else None,
        )
