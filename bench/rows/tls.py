"""Handshakes, and connections that do nothing.  [I/O]"""

from contextlib import ExitStack

from bench.contender import Running
from bench.load import Held
from bench.machine import Meter, peak_rss_kib, pss_kib
from bench.measure import FAILURES, HOST, Bench, per_request, progress
from bench.seen import Seen
from bench.table import Row, Turn

HELD = 5000
# Allocators take their first arenas with these, so that they are not counted.
HELD_BEFORE = 50


def handshakes(bench: Bench, kind: str) -> Row:
    """A new connection per request."""
    row = Row(
        f"tls-{kind}",
        "µs CPU per connection",
        "A new TCP connection, TLS 1.3 handshake ("
        + ("full, ECDSA P-256" if kind == "full" else "resumed by the ticket of the connection before")
        + "), one small request, close; 8 at a time. The phones check that each handshake was "
        + f"{kind}. The edge pays for L4 and L7.",
        "what a phone that comes anew costs.",
        "how many connections a second are possible: the phones are Python, and as slow as what they load.",
    )

    def judge(contest: Running, meter: Meter, seen: Seen) -> Turn:
        turn = per_request(contest, meter, seen)
        turn.extra = {f"{kind} %": 100 * seen.extra.get(kind, 0) / seen.requests}
        return turn

    contenders = [bench.edge(), bench.haproxy(), bench.nginx()]
    return bench.compare(row, contenders, bench.phones(kind), judge)


def idle(bench: Bench) -> Row:
    """What a phone that only holds on costs."""
    row = Row(
        "idle",
        "KiB per connection",
        f"Memory (proportional set size) by which the processes grow for {HELD:,} kept-alive TLS "
        "connections, each of which has asked once.",
        "what holding on costs in the proxy's own memory.",
        "the kernel's part (socket buffers), which is the same for all; one round, since memory hardly "
        "varies.",
    )
    for contender in (bench.edge(), bench.haproxy(), bench.nginx()):
        with ExitStack() as stack:
            if (contest := bench.started(stack, row, contender)) is None:
                continue
            headers = {"Cookie": "none=1", "Host": HOST} | contest.headers
            try:
                progress(f"idle  {contender.name}: {HELD:,} connections")
                Held(contest, connections=HELD_BEFORE, headers=headers).close()
                before = pss_kib(contest.pids)
                held = Held(contest, connections=HELD, headers=headers)
                stack.callback(held.close)
                row.add(contender.name, Turn((pss_kib(contest.pids) - before) / HELD))
                row.peak_mib[contender.name] = peak_rss_kib(contest.pids) / 1024
            except FAILURES as failure:
                row.notes[contender.name] = f"failed: {failure}"
    return row
