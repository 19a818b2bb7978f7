"""Which fault has to be played out here, now, and until when?

Faults make a healthy edge behave like a sick one, on purpose, with the nouns of
Toxiproxy.  Each stands at one process, hits a share of what passes there, and
ends by itself: a fault without an end does not exist.

    latency    wait `amount` ms, give or take `jitter` ms       real requests only
    bandwidth  send at most `amount` KiB/s                      real requests only
    error      answer with status `amount`                      real requests only
    timeout    never answer                                     real requests only
    reset      close the connection with RST                    real requests only
    down       refuse every connection and request              health checks too
    freeze     the whole process stands still                   everything, also beats

Health checks pass through the first five untouched: that is what makes a grey
failure grey.  `to` narrows a fault to what this process sends to one peer (a
cluster, a service, an endpoint); without it the fault is in its own answers.

State: at most `FAULTS_MAX` faults per process, in `_faults`.  While there are
none, the price is one attribute look-up a request (`armed`).
"""

from collections.abc import Callable
from typing import Any, Literal, get_args

import msgspec
from msgspec import Struct

from edge.common.errors import EdgeError

Kind = Literal["latency", "bandwidth", "error", "timeout", "reset", "down", "freeze"]

KINDS: tuple[Kind, ...] = get_args(Kind)
FAULTS_MAX = 32
FOR_S_DEFAULT = 30.0
FOR_S_MAX = 600.0  # a lesson is over after ten minutes; a forgotten fault is an outage
FREEZE_S_MAX = 60.0  # nobody can talk to a frozen process, so it gets a shorter leash
LATENCY_MS_MAX = 60_000.0

_WITH_AMOUNT: dict[str, tuple[float, float]] = {
    "latency": (0.0, LATENCY_MS_MAX),
    "bandwidth": (0.1, 1_000_000.0),
    "error": (400, 599),
}
_HITS_HEALTH_CHECKS = {"down", "freeze"}


class FaultRefused(EdgeError):
    """This is no fault that we would play; the text says why."""

    blame = "operator"
    status_hint = 400


class Fault(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One fault at one process."""

    id: str
    kind: Kind
    amount: float = 0.0  # ms, KiB/s or a status, by kind
    jitter: float = 0.0  # ms
    share: float = 1.0  # of what passes (Toxiproxy: toxicity)
    to: str = ""
    for_s: float = FOR_S_DEFAULT
    hidden: bool = False  # part of a drill: not listed, and not named in spans

    def text(self) -> str:
        """The fault in a few words."""
        amount = {
            "latency": f" {self.amount:g} ms" + (f" ± {self.jitter:g}" if self.jitter else ""),
            "bandwidth": f" {self.amount:g} KiB/s",
            "error": f" {self.amount:.0f}",
        }.get(self.kind, "")
        share = f" for {self.share:.0%}" if self.share < 1 else ""
        return f"{self.kind}{amount}{share}" + (f" towards {self.to}" if self.to else "")


class Strike(Struct, frozen=True, kw_only=True):
    """What befalls one request, connection or query; several faults add up."""

    ids: tuple[str, ...] = ()
    delay_s: float = 0.0
    bytes_per_s: float = 0.0  # 0: as fast as it goes
    status: int = 0  # answer this instead
    hang: bool = False  # never answer
    reset: bool = False


def parse(args: dict[str, Any]) -> Fault:
    """The fault that a command's arguments describe.  Raises `FaultRefused`."""
    try:
        fault = msgspec.convert({name: args[name] for name in Fault.__struct_fields__ if name in args}, Fault)
    except msgspec.ValidationError as error:
        raise FaultRefused(f"no such fault: {error}; kinds are {', '.join(KINDS)}") from error
    for_s_max = FREEZE_S_MAX if fault.kind == "freeze" else FOR_S_MAX
    if not 0.0 < fault.for_s <= for_s_max:
        raise FaultRefused(f"a {fault.kind} lasts between 0 and {for_s_max:g} s, not {fault.for_s:g}")
    if not 0.0 < fault.share <= 1.0:
        raise FaultRefused(f"a share is above 0 and at most 1, not {fault.share:g}")
    if fault.kind in _WITH_AMOUNT:
        low, high = _WITH_AMOUNT[fault.kind]
        if not low <= fault.amount <= high:
            raise FaultRefused(f"{fault.kind} takes {low:g} to {high:g}, not {fault.amount:g}")
    if not 0.0 <= fault.jitter <= fault.amount:
        raise FaultRefused("jitter is at least 0 and at most the latency itself")
    return fault


class Faults:
    """The faults of one process."""

    def __init__(self) -> None:
        self.armed = False  # hot paths look here first
        self.strikes = 0
        self._faults: dict[str, tuple[Fault, float]] = {}  # id -> (fault, when it ends)

    def add(self, fault: Fault, now: float) -> None:
        """Play `fault` from now on; one with the same id is replaced.  Raises `FaultRefused`."""
        self.expire(now)
        if fault.id not in self._faults and len(self._faults) >= FAULTS_MAX:
            raise FaultRefused(f"{FAULTS_MAX} faults are enough for one process")
        self._faults[fault.id] = (fault, now + fault.for_s)
        self.armed = True

    def clear(self, id: str = "") -> int:
        """End fault `id`, or all; how many that were."""
        ended = [known for known in self._faults if id in ("", known)]
        for known in ended:
            del self._faults[known]
        self.armed = bool(self._faults)
        return len(ended)

    def expire(self, now: float) -> None:
        """Forget what is over."""
        for id in [id for id, (_, until) in self._faults.items() if until <= now]:
            del self._faults[id]
        self.armed = bool(self._faults)

    def next_deadline(self) -> float | None:
        """When the next fault ends."""
        return min((until for _, until in self._faults.values()), default=None)

    def active(self, now: float) -> list[dict[str, Any]]:
        """Every fault with what is left of it, as plain values; a drill's are not told."""
        self.expire(now)
        return [
            {**msgspec.to_builtins(fault), "text": fault.text(), "left_s": round(until - now, 3)}
            for fault, until in self._faults.values()
            if not fault.hidden
        ]

    def strike(
        self,
        now: float,
        dice: Callable[[], float],
        to: frozenset[str] | tuple[str, ...] = (),
        check: bool = False,
    ) -> Strike | None:
        """What befalls the next one, None for nothing.

        `to` are the names of the peer that it goes to (cluster, endpoint), empty
        for this process's own answer; `check` is true for a health check; `dice`
        gives numbers in [0, 1).
        """
        self.expire(now)
        hits = [
            fault
            for fault, _ in self._faults.values()
            if (fault.to in to if fault.to else not to)
            and (not check or fault.kind in _HITS_HEALTH_CHECKS)
            and fault.kind != "freeze"  # played by the frame, not by a request
            and (fault.share >= 1.0 or dice() < fault.share)
        ]
        if not hits:
            return None
        self.strikes += 1
        delay_ms = sum(
            fault.amount + fault.jitter * (2.0 * dice() - 1.0) for fault in hits if fault.kind == "latency"
        )
        kinds = {fault.kind for fault in hits}
        return Strike(
            ids=tuple(fault.id for fault in hits if not fault.hidden),
            delay_s=delay_ms / 1000.0,
            bytes_per_s=min(
                (fault.amount * 1024.0 for fault in hits if fault.kind == "bandwidth"), default=0.0
            ),
            status=next((int(fault.amount) for fault in hits if fault.kind == "error"), 0),
            hang="timeout" in kinds,
            reset=bool(kinds & {"reset", "down"}),
        )

    def is_down(self, now: float) -> bool:
        """Does this process refuse connections?"""
        self.expire(now)
        return any(fault.kind == "down" and not fault.to for fault, _ in self._faults.values())
