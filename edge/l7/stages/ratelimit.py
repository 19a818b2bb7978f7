"""May this source, this account, this route have one more request now?

Each limit of the configuration is a GCRA table (`edge.common.gcra`); a route
names the limits that hold for it, or takes all.  A request that one limit refuses
costs nothing at the others.  An IPv6 source is its /64, which is what one subscriber gets; a
limit per account passes by those who have none.

The phone is told where it stands (draft-ietf-httpapi-ratelimit-headers-10):
`RateLimit-Policy` is the same for every request of a route and is formatted
once; `RateLimit` names for each limit what remains and when it is whole again.

A limit of `scope = "pop"` is one for all workers: see `edge.l7.limits_shared`.
"""

from collections import deque
from ipaddress import IPv6Address
from math import ceil
from typing import Final

from edge.common.config import LimitConfig
from edge.common.gcra import SLACK_S, Gcra
from edge.l7.limits_shared import SharedLimits
from edge.l7.request import Request
from edge.l7.route import Route
from edge.l7.stages.offenders import Offenders
from edge.l7.verdict import CONTINUE, Answer

PROBLEM_TYPE: Final = "https://iana.org/assignments/http-problem-types#quota-exceeded"
_SUBSCRIBER_BITS: Final = 64
_PREFIXES_MAX: Final = 4096
_BANS_WAITING_MAX: Final = 256
_PLANS_MAX: Final = 20_000  # routes of earlier configurations stay until then


class _Limit:
    """One limit, ready to be asked."""

    __slots__ = ("ahead_max", "config", "kind", "label", "offenders", "policy", "shared", "table")

    def __init__(self, config: LimitConfig) -> None:
        self.config = config
        self.kind = config.key
        self.table = Gcra(config.rate_per_s, config.burst, config.keys_max)
        # Who is further ahead than this would be too far ahead after one more.
        self.ahead_max = self.table.room_s - self.table.interval_s + SLACK_S
        self.shared = config.scope == "pop"
        self.offenders = Offenders(config.ban_after, config.ban_s)
        self.label = f'"{config.name}"'.encode()
        # The draft counts in whole seconds; a burst that refills faster is stated for one second.
        window_s = max(1, round(config.burst / config.rate_per_s))
        quota = max(config.burst, round(config.rate_per_s * window_s))
        self.policy = b"%b;q=%d;w=%d" % (self.label, quota, window_s)


class _Plan:
    """The limits that hold for one route, with or without an account, and their header lines."""

    __slots__ = ("limits", "lines", "policy")

    def __init__(self, limits: tuple[_Limit, ...]) -> None:
        self.limits = limits
        self.policy = b", ".join(limit.policy for limit in limits)
        states = b", ".join(limit.label + b";r=%d;t=%d" for limit in limits)
        # A template for one `%`: the values are what remains and the seconds, of each in turn.
        self.lines = b"ratelimit-policy: " + self.policy + b"\r\nratelimit: " + states + b"\r\n"


class RateLimits:
    """The stage: lets pass and charges, or answers 429."""

    def __init__(self, configs: tuple[LimitConfig, ...]) -> None:
        self._limits = {config.name: _Limit(config) for config in configs}
        self._plans: dict[tuple[Route | None, bool], _Plan] = {}
        self._prefixes: dict[str, str] = {}
        self.shared = self._share()
        self.bans: deque[tuple[str, float]] = deque(maxlen=_BANS_WAITING_MAX)  # source, seconds: for L4
        self.refused: dict[str, int] = dict.fromkeys(self._limits, 0)

    def reload(self, configs: tuple[LimitConfig, ...]) -> None:
        """Use other limits; a limit that did not change keeps its table."""
        old = self._limits
        self._limits = {
            config.name: known
            if (known := old.get(config.name)) is not None and known.config == config
            else _Limit(config)
            for config in configs
        }
        self._plans.clear()
        self.shared = self._share()
        self.refused = {name: self.refused.get(name, 0) for name in self._limits}

    def __call__(self, request: Request, now: float, unix_now: float) -> Answer | None:
        """Charge all limits, or none."""
        plan = self._plans.get((request.route, request.account is not None)) or self._plan(request)
        limits = plan.limits
        if not limits:
            return CONTINUE
        # Charged one by one and, should one refuse, given back: the usual request asks each table once.
        shared = self.shared
        values: list[int] = []
        keys: list[str] = []
        for limit in limits:
            key = self._key(limit.kind, request)
            table = limit.table
            price = shared.price if limit.shared else 1
            ahead = table.spend(key, now, price)
            before = ahead - table.interval_s * price
            if before > limit.ahead_max:
                table.spend(key, now, -price)
                for earlier, spent in zip(limits, keys, strict=False):
                    earlier.table.spend(spent, now, -(shared.price if earlier.shared else 1))
                return self._refuse(request, limit, key, before, plan, now)
            keys.append(key)
            left = int((table.room_s - ahead + SLACK_S) / table.interval_s)
            values.append(left if left > 0 else 0)
            values.append(ceil(ahead))
        if shared.listened:
            for limit, key in zip(limits, keys, strict=True):
                if limit.shared:
                    shared.granted(limit.config.name, key)
        request.reply_lines += plan.lines % tuple(values)
        return CONTINUE

    def _plan(self, request: Request) -> _Plan:
        route = request.route
        names = route.config.limits if route is not None else None
        missing = {"account"} if request.account is None else set()
        if route is None:
            missing.add("route")
        chosen = tuple(
            limit
            for name, limit in self._limits.items()
            if (names is None or name in names) and limit.config.key not in missing
        )
        if len(self._plans) >= _PLANS_MAX:
            self._plans.clear()
        plan = self._plans[route, request.account is not None] = _Plan(chosen)
        return plan

    def _key(self, kind: str, request: Request) -> str:
        if kind == "source":
            source = request.source
            return source if ":" not in source else self._prefix(source)
        if kind == "account":
            return str(request.account)
        assert request.route is not None, "without a route no limit per route is planned"
        return request.route.name

    def _prefix(self, source: str) -> str:
        known = self._prefixes.get(source)
        if known is None:
            if len(self._prefixes) >= _PREFIXES_MAX:
                self._prefixes.clear()
            known = self._prefixes[source] = subscriber(source)
        return known

    def _refuse(
        self, request: Request, limit: _Limit, key: str, ahead_s: float, plan: _Plan, now: float
    ) -> Answer:
        name = limit.config.name
        self.refused[name] += 1
        if limit.offenders.strike(request.source, now):
            self.bans.append((request.source, limit.config.ban_s))
        wait_s = ahead_s + limit.table.interval_s - limit.table.room_s
        state = b"%b;r=0;t=%d" % (limit.label, ceil(ahead_s))
        return Answer(
            status=429,
            reason="RL",
            detail=f"Too many requests: wait {ceil(wait_s)} s.",
            why=f"ratelimit: {name} of {limit.config.key} {key} is spent for {wait_s:.3f} s",
            headers=((b"ratelimit-policy", plan.policy), (b"ratelimit", state)),
            retry_after_s=wait_s,
            problem_type=PROBLEM_TYPE,
        )

    def _share(self) -> SharedLimits:
        return SharedLimits({name: limit.table for name, limit in self._limits.items() if limit.shared})


def subscriber(source: str) -> str:
    """The network that one subscriber has: an IPv4 address, or an IPv6 /64."""
    try:
        address = IPv6Address(source.partition("%")[0])
    except ValueError:
        return source
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    network = int(address) >> _SUBSCRIBER_BITS << _SUBSCRIBER_BITS
    return f"{IPv6Address(network)}/{_SUBSCRIBER_BITS}"
