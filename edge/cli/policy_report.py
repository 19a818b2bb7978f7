"""If now X dies, what will we do?

Every tier has decided beforehand whether it fails open (serve, at a risk), closed
(refuse, to be safe), or stays with what it last knew.  Those decisions are spread
over twenty modules; here they stand on one page, with the numbers of this
configuration and the copies that live now.  The tests hold the arithmetic to the
parts that do the work.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from edge.common.config import ClusterConfig, Config
from edge.l4.distributor import PANIC_BELOW
from edge.l4.lease import BEATS_MISSED_BUSY
from edge.l7.upstream.cluster import RETURN_S

# open: serve, at a risk · closed: refuse · keep: go on with what was last known · less: serve less of it
Mode = Literal["open", "closed", "keep", "less"]


@dataclass(frozen=True, slots=True)
class Policy:
    """One decision that was made beforehand."""

    tier: str
    when: str
    then: str
    mode: Mode
    source: str


def policies(config: Config, copies: Mapping[str, int]) -> list[Policy]:
    """Every policy, from the phone's side inwards; `copies` counts the live copies of each service."""
    return [
        *_dns(config),
        *_l4(config),
        *_l7(config),
        *(policy for cluster in config.cluster for policy in _cluster(cluster, _count(cluster, copies))),
        *_services(config),
        *_control(),
    ]


def unwell_max(copies: int, panic_below: float) -> int:
    """How many of `copies` may look unwell before all are used, well or not."""
    fitting = [well for well in range(1, copies + 1) if well >= copies * panic_below]
    return copies - min(fitting, default=copies)


def _dns(config: Config) -> Iterator[Policy]:
    names = [pop.name for pop in config.pops()]
    next_one = f"answer with the next nearest of {', '.join(names)}" if len(names) > 1 else "answer with it"
    believed = f"phones believe an old answer for up to {config.dns.ttl_s} s"
    yield Policy("dns", "a POP is drained or unwell", f"{next_one}; {believed}", "keep", "edge/dns/steer.py")
    yield Policy(
        "dns",
        "no POP is well",
        "answer with all of them, the nearest first: our knowledge may be wrong, and trying costs nothing",
        "open",
        "edge/dns/steer.py",
    )


def _l4(config: Config) -> Iterator[Policy]:
    l4 = config.l4
    for pop in config.pops():
        when = f"the active distributor of {pop.name} dies"
        if pop.l4 > 1:
            silent_ms = BEATS_MISSED_BUSY * l4.beat_s * 1000
            then = (
                "another accepts from the same sockets as soon as the kernel says so; "
                f"one that is only silent has {silent_ms:.0f} ms"
            )
        else:
            then = f"up to {l4.backlog} new connections wait in the kernel's queue until it is restarted"
        yield Policy("l4", when, f"{then}; connections under way do not notice", "keep", "edge/l4/lease.py")
    yield Policy(
        "l4",
        f"fewer than {PANIC_BELOW:.0%} of a POP's workers look well",
        "use all that are linked: the measurement is likelier wrong than the workers",
        "open",
        "edge/l4/distributor.py",
    )
    yield Policy(
        "l4",
        "no worker is linked",
        f"accept nobody; up to {l4.backlog} connections wait in the kernel's queue",
        "keep",
        "edge/l4/distributor.py",
    )
    admission = l4.admission
    yield Policy(
        "l4",
        f"more than {admission.flood_rate_per_s:g} connections a second come from new sources",
        f"write no new source down (at most {admission.sources_max:,} are known); the rate stays limited",
        "open",
        "edge/l4/admission.py",
    )


def _l7(config: Config) -> Iterator[Policy]:
    waf, shed, cache = config.waf, config.l7.shed, config.l7.cache
    yield Policy(
        "l7",
        "a worker dies",
        "its connections break; L4 gives new ones to the others, its supervisor forks a new one",
        "less",
        "edge/supervise/supervisor.py",
    )
    if waf.mode != "off":
        blocks = waf.mode == "block" and waf.on_budget == "block"
        then = (
            "refuse the request" if blocks else "note it and let the request pass, inspected as far as it got"
        )
        yield Policy(
            "l7",
            f"the firewall needs more than {waf.budget_ms:g} ms for a request",
            then,
            "closed" if blocks else "open",
            "edge/l7/waf/inspector.py",
        )
    yield Policy(
        "l7",
        f"more than {shed.requests_max} requests under way, or its loop is {shed.lag_ms_target:g} ms late",
        f"refuse the least important routes first; {shed.requests_min} always pass",
        "closed",
        "edge/l7/stages/shed.py",
    )
    cached = sorted(route.name or route.path for route in config.route if route.cache)
    if cached:
        yield Policy(
            "l7",
            f"the service behind a cached route ({', '.join(cached)}) fails",
            f"serve what is stale for {cache.stale_if_error_s:g} s, or for as long as the response allowed",
            "open",
            "edge/l7/cache/stage.py",
        )


def _count(cluster: ClusterConfig, copies: Mapping[str, int]) -> int:
    return len(cluster.endpoints) or copies.get(cluster.service, 0)


def _cluster(cluster: ClusterConfig, count: int) -> Iterator[Policy]:
    name, health, retry, breaker = cluster.name, cluster.health, cluster.retry, cluster.breaker
    finds_s = health.fall * health.fast_interval_s
    tier = f"cluster {name}"
    copies = f"{count} {'copy' if count == 1 else 'copies'}"
    again = (
        f"safe requests are tried again, {retry.attempts} time{'s' if retry.attempts > 1 else ''} at most"
        if retry.attempts
        else "requests in hand fail"
    )
    if count < 2:
        yield Policy(
            tier,
            f"its only copy dies (now: {copies})",
            f"requests wait {RETURN_S:g} s for it to be back, then they are refused (UH)",
            "closed",
            "edge/l7/upstream/cluster.py",
        )
    else:
        spare = unwell_max(count, health.panic_below)
        left = count - 1
        yield Policy(
            tier,
            f"one of its {copies} dies",
            f"the other{'s take' if left > 1 else ' takes'} its share; checks notice within about "
            f"{finds_s:g} s, {health.eject_after} failures in a row at once; {again}",
            "less",
            "edge/l7/upstream/cluster.py",
        )
        yield Policy(
            tier,
            f"more than {spare} of its {copies} look unwell",
            "use all of them, well or not: checks that are broken must not make an outage",
            "open",
            "edge/l7/upstream/cluster.py",
        )
    if breaker.failure_share:
        yield Policy(
            tier,
            f"{breaker.failure_share:.0%} of at least {breaker.requests_min} requests fail within a second",
            f"refuse everything for {breaker.open_s:g} s, then try again; at most {breaker.open_max_s:g} s",
            "closed",
            "edge/l7/upstream/breaker.py",
        )


def _services(config: Config) -> Iterator[Policy]:
    wait_ms = config.services.feed_deadline_ms
    yield Policy(
        "services",
        "ads, story, recommend or ranking is slow or away",
        f"the feed waits {wait_ms:g} ms and comes without it",
        "less",
        "services/feed/fanout.py",
    )
    yield Policy(
        "services",
        "login is away",
        "nobody new gets in; sessions stay good, because every worker verifies them by itself",
        "keep",
        "edge/l7/stages/auth.py",
    )


def _control() -> Iterator[Policy]:
    yield Policy(
        "control",
        "the hub dies",
        "everybody serves on with the last configuration, members and bans, and rejoins with back-off",
        "keep",
        "edge/common/link_client.py",
    )
    yield Policy(
        "control",
        "the hub dies, and limits are shared",
        "each of N workers charges N for one request: never above the limit together, and refused too soon",
        "closed",
        "edge/l7/limits_shared.py",
    )
    yield Policy(
        "control",
        "a supervisor dies",
        "honcho ends the whole edge: better seen than half there",
        "closed",
        "edge/supervise/supervisor.py",
    )
