"""Which copy of the service gets this request?

The cluster knows its endpoints and four things about each: does it take new
work (membership, weight), is it well by active checks (`health`), is it well by
its answers (`ejection`), and how much does it have to do.  A balancer chooses
among those that are well.

**Panic.**  When fewer than `panic_below` of the endpoints are well, that
knowledge is worth less than the capacity it costs: everybody is used, sick or
not (Envoy's panic threshold; the cluster fails open).  Checks that are broken,
or a dependency that takes everybody down at once, must not turn a bad moment
into an outage.

**Between two lives.**  A service of one copy is away for a moment while it is
replaced.  A request that comes just then is better kept waiting than refused, so
for `RETURN_S` after the last endpoint left, the cluster `returns_soon`; after
that it is down, and refuses at once.  Nor are the configured ports tried meanwhile:
behind a port that was just given up is nobody.

The balancer's set is rebuilt only when something has changed, so a pick costs
one comparison more than the balancer itself.

State: a few dozen fields per endpoint, owned by this worker; workers do not
share what they observe.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple

from edge.common.balance.factory import make_balancer
from edge.common.balance.policy import NOBODY, Dice, Target
from edge.common.balance.slow_start import factor, next_step_s
from edge.common.config import ClusterConfig, ServiceConfig
from edge.common.messages import Member
from edge.l7.upstream.breaker import Breaker
from edge.l7.upstream.ejection import Ejection
from edge.l7.upstream.endpoints import Endpoint, announced, configured
from edge.l7.upstream.health import Health
from edge.l7.upstream.retry import RetryBudget

NEVER: Final = float("inf")
# A supervisor replaces a process in about 0.3 s and on a busy machine in 1 s; who is not back
# after twice that does not come back by itself, and phones should hear so.
RETURN_S: Final = 2.0


class Pick(NamedTuple):
    """The endpoint for one request, and why."""

    endpoint: str
    address: str
    why: str


class Refusal(NamedTuple):
    """Why nobody was picked: Envoy's flag, one sentence, and when it may be better."""

    flag: str  # "UH" nobody there, "UO" too much under way or the breaker is open
    why: str
    retry_after_s: float = 1.0


class _Watched:
    """One endpoint and what is known of it."""

    __slots__ = ("ejection", "endpoint", "health", "since")

    def __init__(self, endpoint: Endpoint, config: ClusterConfig, now: float, dice: float) -> None:
        self.endpoint = endpoint
        self.since = now
        self.health = Health(config.health, now, dice)
        self.ejection = Ejection(config.health, now)

    def well(self) -> bool:
        return self.health.up and self.ejection.until == 0.0


class Cluster:
    """The endpoints of one service, as this worker sees them."""

    def __init__(
        self, config: ClusterConfig, now: float, dice: Dice, services: Sequence[ServiceConfig] = ()
    ) -> None:
        self.config = config
        self._dice = dice
        self._fixed = configured(config, services)
        self._watched: dict[str, _Watched] = {}
        self._in_flight: dict[str, int] = {}
        self._load = self._load_of
        self._balancer = make_balancer(config.balance)
        self._breaker = Breaker(config.breaker)
        self._budget = RetryBudget(config.retry, now)
        self._due = NEVER
        self._panic = ""
        self._named = False  # has the hub named anybody?
        self.staffed = False  # does anybody take new work?
        self._left_at = -NEVER
        self.waiting = 0  # requests that `returns_soon` holds back; counted by who forwards
        self.active = 0
        self._set(self._fixed, now)

    # -- for each request -------------------------------------------------------------

    def pick(
        self, key: bytes | None, exclude: Collection[str], now: float, dice: Dice, prefer: str | None = None
    ) -> Pick | None:
        """An endpoint, one that is not in `exclude` if there is one; None: ask `refusal` why.

        With nobody else left an excluded one is better than none: a service of one
        copy that is being restarted is back in a moment (HAProxy's `redispatch` falls
        back in the same way).  `key` matters to hashing balancers; `prefer` is the endpoint that a phone
        is bound to, taken as long as it is well.
        """
        if now >= self._due:
            self.expire(now)
        if self.active >= self.config.requests_max:
            return None
        breaker = self._breaker
        if breaker.state != "closed" and not breaker.admits(now, dice.random()):
            return None
        if prefer is not None and prefer not in exclude:
            bound = self._watched.get(prefer)
            if bound is not None and bound.endpoint.weight > 0 and bound.well():
                return Pick(prefer, bound.endpoint.address, "the phone is bound to it")
        choice = self._balancer.pick(key or b"", self._load, dice, exclude or NOBODY, now)
        if choice is None:
            choice = self._balancer.pick(key or b"", self._load, dice, NOBODY, now) if exclude else None
            if choice is None:
                return None
            return Pick(
                choice.name, self._watched[choice.name].endpoint.address, "again: nobody else is left"
            )
        why = f"{choice.why}; {self._panic}" if self._panic else choice.why
        return Pick(choice.name, self._watched[choice.name].endpoint.address, why)

    def refusal(self, now: float) -> Refusal:
        """Why `pick` said None just now."""
        if self.active >= self.config.requests_max:
            return Refusal("UO", f"{self.active} requests are under way, no more than that are allowed")
        if self._breaker.state != "closed":
            return Refusal("UO", f"the breaker is {self._breaker.state}", max(1.0, self._breaker.wait_s(now)))
        if not self._watched:
            return Refusal("UH", "no endpoint is known")
        return Refusal("UH", "no endpoint is left that takes new work")

    def returns_soon(self, now: float) -> bool:
        """Did the last endpoint leave only a moment ago, and may one more request wait for the next?"""
        away_s = now - self._left_at
        return not self.staffed and away_s < RETURN_S and self.waiting < self.config.pending_max

    def started(self, endpoint: str, retry: bool = False) -> None:
        """A request goes to `endpoint` now; `finished` follows, whatever happens."""
        self.active += 1
        self._in_flight[endpoint] = self._in_flight.get(endpoint, 0) + 1
        if not retry:
            self._budget.deposit()

    def finished(self, endpoint: str, ok: bool, latency_s: float, now: float) -> None:
        """The request is over.  `ok`: there was an answer, and not a 5xx; `latency_s` to its first byte."""
        self.active -= 1
        left = self._in_flight.get(endpoint, 1) - 1
        watched = self._watched.get(endpoint)
        if left > 0:
            self._in_flight[endpoint] = left
        else:
            self._in_flight.pop(endpoint, None)
        self._breaker.learn(ok, now)
        if watched is None:
            return
        if ok:
            watched.ejection.succeeded()
            self._balancer.observe(endpoint, latency_s, now)
        elif watched.ejection.failed() and self._may_eject():
            watched.ejection.eject(now)
            self._rebuild(now)

    def abandoned(self, endpoint: str) -> None:
        """The phone went away before there was anything to learn."""
        self.active -= 1
        left = self._in_flight.get(endpoint, 1) - 1
        if left > 0:
            self._in_flight[endpoint] = left
        else:
            self._in_flight.pop(endpoint, None)

    def may_retry(self, now: float) -> bool:
        """Can we afford one more retry?  True spends it."""
        return self._budget.withdraw(now)

    # -- who there is -----------------------------------------------------------------

    def update(self, members: Iterable[Member], now: float) -> list[str]:
        """Take over what the hub knows of all members; returns addresses that nobody serves any more."""
        if self.config.endpoints:
            return []
        found = announced(self.config, members)
        if found:
            self._named = True
        elif not self._named:
            found = self._fixed
        return self._set(found, now)

    def _set(self, endpoints: Sequence[Endpoint], now: float) -> list[str]:
        before = {watched.endpoint.address for watched in self._watched.values()}
        known, self._watched = self._watched, {}
        for endpoint in endpoints:
            old = known.get(endpoint.name)
            if old is not None and _same_process(old.endpoint, endpoint):
                old.endpoint = endpoint
                self._watched[endpoint.name] = old
            else:
                # A new process under an old name has done nothing wrong yet.
                self._watched[endpoint.name] = _Watched(endpoint, self.config, now, self._dice.random())
        self._rebuild(now)
        return sorted(before - {endpoint.address for endpoint in endpoints})

    # -- health -----------------------------------------------------------------------

    def due_checks(self, now: float) -> list[Endpoint]:
        """The endpoints to be checked now; `checked` follows for each."""
        due = [watched for watched in self._watched.values() if watched.health.due_at <= now]
        for watched in due:
            watched.health.begin(now)
        return [watched.endpoint for watched in due]

    def next_check_at(self) -> float:
        """When the next check is due; infinity with no endpoints."""
        return min((watched.health.due_at for watched in self._watched.values()), default=NEVER)

    def checked(self, endpoint: Endpoint, ok: bool, detail: str, now: float) -> bool:
        """How a check went; True if the endpoint went up or down by it."""
        watched = self._watched.get(endpoint.name)
        if watched is None or not _same_process(watched.endpoint, endpoint):
            return False
        changed = watched.health.result(ok, detail, now, self._dice.random())
        if ok and watched.health.up and watched.ejection.until:
            # Envoy's successful_active_health_check_uneject_host.
            watched.ejection.restore(now)
            changed = True
        if changed:
            if watched.health.up:
                watched.since = now
            self._rebuild(now)
        return changed

    def next_deadline(self) -> float:
        """When `expire` has something to do; infinity if never.  `pick` calls it by itself."""
        return self._due

    def expire(self, now: float) -> None:
        """Bring back whose ejection is over, and let newcomers take more."""
        for watched in self._watched.values():
            if 0.0 < watched.ejection.until <= now:
                watched.ejection.restore(now)
                watched.since = now
        if self._watched or now - self._left_at < RETURN_S:
            self._rebuild(now)
        else:
            # The hub's silence has lasted: the configured ports are better than nothing.
            self._named = False
            self._set(self._fixed, now)

    def _may_eject(self) -> bool:
        away = sum(watched.ejection.until > 0.0 for watched in self._watched.values())
        # In a small pool the share rounds to nobody, which would switch the feature off.
        return away < max(1, int(len(self._watched) * self.config.health.eject_share_max))

    def _rebuild(self, now: float) -> None:
        working = [watched for watched in self._watched.values() if watched.endpoint.weight > 0]
        well = [watched for watched in working if watched.well()]
        self._panic = ""
        chosen = well
        if len(well) < len(working) * self.config.health.panic_below or not well:
            chosen = working
            if working:
                self._panic = f"panic: only {len(well)} of {len(working)} are well, so all are used"
        ramp_s = self.config.health.slow_start_s
        self._balancer.set_endpoints(
            [
                Target(watched.endpoint.name, watched.endpoint.weight * factor(now - watched.since, ramp_s))
                for watched in chosen
            ]
        )
        if self.staffed and not chosen:
            self._left_at = now
        self.staffed = bool(chosen)
        steps = [next_step_s(now - watched.since, ramp_s) for watched in chosen]
        returns = [watched.ejection.until for watched in self._watched.values() if watched.ejection.until]
        if not self._watched and self._named:
            returns.append(self._left_at + RETURN_S)
        self._due = min([*returns, *(now + step for step in steps if step is not None)], default=NEVER)

    def _load_of(self, endpoint: str) -> float:
        return self._in_flight.get(endpoint, 0)

    def names(self) -> list[str]:
        """All endpoints, sick or not."""
        return list(self._watched)

    def usable(self) -> int:
        """How many take new work and are well: what `/readyz` wants to know."""
        return sum(watched.endpoint.weight > 0 and watched.well() for watched in self._watched.values())

    def explain(self) -> dict[str, Any]:
        """Everything an operator may want to see, as plain values."""
        return {
            "cluster": self.config.name,
            "balance": self.config.balance,
            "active": self.active,
            "panic": self._panic,
            "breaker": self._breaker.state,
            "retries_spent": self._budget.spent,
            "retries_refused": self._budget.refused,
            "endpoints": [
                {
                    "name": watched.endpoint.name,
                    "address": watched.endpoint.address,
                    "weight": watched.endpoint.weight,
                    "in_flight": self._in_flight.get(watched.endpoint.name, 0),
                    "up": watched.health.up,
                    "check": watched.health.last,
                    "ejected_until": watched.ejection.until,
                }
                for watched in self._watched.values()
            ],
        }


def _same_process(old: Endpoint, new: Endpoint) -> bool:
    return (old.address, old.incarnation) == (new.address, new.incarnation)
