"""What does more of everything cost: connections, routes, endpoints?  And at what latency?  [I/O]"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from bench.contender import Contender, Running
from bench.load import CONNECTING_S, Load, thinking
from bench.machine import Meter
from bench.measure import Bench, per_request
from bench.peers import haproxy, nginx
from bench.rows.l7 import PER_REQUEST
from bench.seen import Seen
from bench.table import Row, Turn

CONNECTIONS = (10, 100, 1000, 5000)
BUSY_MAX = 100
ROUTES = (10, 1000, 10_000)
ENDPOINTS = (2, 10, 100, 1000)
# A thousand endpoints checked every two seconds are 500 checks a second, which is another question.
HEALTH_INTERVAL_S = 60.0
# Each of a thousand is asked a few times a second, but by chance four seconds may pass without.
IDLE_TIMEOUT_S = 60.0
SHARE = 0.6
SATURATING_S = 1.0
# So many that thinking takes far longer than an answer, and the rate does not depend on answers.
THINKING = 256


def connections(bench: Bench) -> Row:
    """More phones."""
    row = Row(
        "grow-connections",
        PER_REQUEST,
        "l7-hot over 10 to 5,000 open connections of one edge; all of them ask in rotation, at most "
        f"{BUSY_MAX} at a time. Opening them is not billed.",
        "that a request costs no more because many others hold on.",
        f"what {CONNECTIONS[-1]:,} requests at once cost: a worker lets 512 through and sheds the rest.",
        ours=(),
        reference="100 connections",
    )
    with ExitStack() as stack:
        edge = bench.started(stack, row, bench.edge())
        if edge is None:
            return row
        loads = {f"{count:,} connections": _in_rotation(bench, count) for count in CONNECTIONS}
        contenders = [Contender(name, lambda folder: _as_is(edge)) for name in loads]
        # Opening so many is warming up enough.
        return bench.compare(row, contenders, loads, warm_ups=0)


def _in_rotation(bench: Bench, count: int) -> Load:
    return bench.phones("kept", connections=count, busy=min(count, BUSY_MAX))


@contextmanager
def _as_is(running: Running) -> Iterator[Running]:
    yield running


def routes(bench: Bench) -> Row:
    """More routes."""
    row = Row(
        "grow-routes",
        PER_REQUEST,
        "l7-hot with 10 to 10,000 further routes, half of them exact, half prefixes; asked for is the last "
        "prefix.",
        "that a route is found in a table, not in a list.",
        "regular expressions, which have to be tried one by one (linear, and said so in the documentation).",
        ours=(),
        reference="10 routes",
    )
    contenders, loads = [], {}
    for count in ROUTES:
        name = f"{count:,} routes"
        contenders.append(bench.edge(name, extra="".join(map(_route, range(count)))))
        loads[name] = bench.http(f"/shop-{count - 1}/feed")
    return bench.compare(row, contenders, loads)


def _route(number: int) -> str:
    path = f"/shop-{number}/*" if number % 2 else f"/shop-{number}/front"
    return f'[[route]]\nname = "shop-{number}"\npath = "{path}"\ncluster = "origin"\nauth = "required"\n'


def endpoints(bench: Bench) -> Row:
    """More endpoints."""
    row = Row(
        "grow-endpoints",
        PER_REQUEST,
        "l7-hot with 2 to 1,000 endpoints in the cluster (an nginx on as many addresses), balanced by two "
        f"choices. Health checks every {HEALTH_INTERVAL_S:.0f} s; unused connections are kept as long.",
        "that an endpoint is chosen without looking at all of them, and its pool found without searching.",
        "what checking a thousand endpoints every two seconds costs: 500 small requests a second.",
        ours=(),
        reference="10 endpoints",
    )
    with ExitStack() as stack:
        hosts = [f"127.9.{number // 250}.{number % 250 + 1}" for number in range(max(ENDPOINTS))]
        port = stack.enter_context(nginx.origin(bench.under("many-origins"), hosts))
        contenders = [
            bench.edge(
                f"{count:,} endpoints",
                endpoints=tuple(f"{host}:{port}" for host in hosts[:count]),
                health_interval_s=HEALTH_INTERVAL_S,
                idle_timeout_s=IDLE_TIMEOUT_S,
            )
            for count in ENDPOINTS
        ]
        return bench.compare(row, contenders, bench.http("/feed"), warm_ups=2)


def latency(bench: Bench) -> Row:
    """At a share of what each can do."""
    row = Row(
        "p99-at-60",
        "ms, p99",
        f"Each contender's saturation (wrk, 64 connections, closed loop) is found first in each round. Then "
        f"{THINKING} connections each wait a random while (exponential) before they ask, so that altogether "
        f"{SHARE:.0%} of that rate comes at random moments.",
        "how long a phone waits at a worker that is busy, but not too busy.",
        "the same rate for all: each is measured at its own. wrk waits in whole milliseconds, so a few "
        "requests arrive at once; more of them where the rate is higher, which is at the peers.",
    )

    def load(contest: Running, meter: Meter) -> Seen:
        most = bench.http("/feed", connections=64)(contest, Meter((), SATURATING_S)).per_s
        script = thinking(SHARE * most, THINKING)
        asking_s = meter.seconds
        meter.seconds = asking_s + CONNECTING_S
        seen = bench.http("/feed", connections=THINKING, script=script)(contest, meter)
        seen = replace(seen, seconds=seen.seconds * asking_s / meter.seconds)
        seen.extra["saturation per second"] = most
        seen.extra["% of it reached"] = 100 * seen.per_s / most
        return seen

    def judge(contest: Running, meter: Meter, seen: Seen) -> Turn:
        turn = per_request(contest, meter, seen)
        turn.extra = {"µs CPU per request": turn.figure} | seen.extra
        turn.figure = seen.p99_us / 1000
        return turn

    contenders = [bench.edge(), bench.haproxy(), bench.haproxy("haproxy+features", haproxy.FEATURES)]
    return bench.compare(row, contenders, load, judge)
