"""How much memory does the firewall take, and does it stop growing?  [I/O]

    python -m bench.waf_memory --crs /usr/share/modsecurity-crs --requests 1000000

One process: resident memory without rules, with rules and matchers in use, and after each tenth of the
requests, every one of them different: argument and cookie, now and then a form, a head in which every line is
new, 4 kB of JSON.  Some come twice, else no verdict would be remembered.  The memories are bounded, so the
growth belongs to the first tenths; what counts is the last half.  Then hostile bodies, and short ones and
heads, which reach the sets of patterns: they fill the automata as nothing else does."""

import argparse
import gc
import time
from pathlib import Path

from bench.waf_cost import form, get, hostile, many, message, stranger
from edge.l7.waf.inspector import Inspector
from edge.l7.waf.load import load_ruleset
from edge.l7.waf.request import WafRequest
from edge.l7.waf.warm_up import warm_up

TWICE_EVERY = 4
FORM_EVERY = 10
STRANGER_EVERY = 20
MESSAGE_EVERY = 1000
HOSTILE = 300
SHORT_BYTES = 900


def resident_mb() -> float:
    """Resident memory of this process, after what is garbage has gone."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def hostile_head(number: int) -> WafRequest:
    """Pieces of attacks in the query, the cookie and two more header lines."""
    text = hostile(number, 640)[1]
    headers = (
        (b"host", b"i.edge.test"),
        (b"user-agent", text[:200]),
        (b"cookie", b"a=" + text[100:300]),
        (b"x-note", text[200:]),
    )
    return WafRequest("127.0.0.1", "GET", b"/x?" + text[:500], "HTTP/1.1", headers)


def main() -> None:
    """Print one line a tenth."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crs", type=Path)
    parser.add_argument("--no-embedded", action="store_true")
    parser.add_argument("--requests", type=int, default=1_000_000)
    asked = parser.parse_args()
    empty = resident_mb()
    sources = [asked.crs] if asked.crs else []
    rules = load_ruleset(sources, embedded=not asked.no_embedded)
    inspector = Inspector(rules, clock=time.monotonic, cpu=time.thread_time)
    warm_up(inspector)
    loaded = resident_mb()
    print(
        f"without rules {empty:.1f} MB; with rules, warmed up {loaded:.1f} MB (+{loaded - empty:.1f})",
        flush=True,
    )
    sizes = []
    for number in range(1, asked.requests + 1):
        for _ in range(2 if number % TWICE_EVERY == 0 else 1):
            inspector.inspect_head(get(number), 0.0)
        if number % FORM_EVERY == 0:
            inspector.inspect_body(*form(number), 0.0)
        if number % STRANGER_EVERY == 0:
            for _ in range(2):
                inspector.inspect_head(stranger(number), 0.0)
        if number % MESSAGE_EVERY == 0:
            inspector.inspect_body(*message(number), 0.0)
        if number % (asked.requests // 10) == 0:
            sizes.append(resident_mb())
            print(f"{number:>9} requests: {sizes[-1]:.1f} MB", flush=True)
    half = len(sizes) // 2
    print(
        f"with all memories full +{sizes[-1] - empty:.1f} MB; the last half of the requests added "
        f"{sizes[-1] - sizes[half - 1]:.1f} MB",
        flush=True,
    )
    for number in range(HOSTILE):
        inspector.inspect_body(*hostile(number), 0.0)
        inspector.inspect_body(*many(number), 0.0)
    print(f"after {2 * HOSTILE} hostile bodies of 8 kB +{resident_mb() - empty:.1f} MB")
    for number in range(10 * HOSTILE):
        inspector.inspect_body(*hostile(number, SHORT_BYTES), 0.0)
        inspector.inspect_body(*many(number, SHORT_BYTES), 0.0)
        inspector.inspect_head(hostile_head(number), 0.0)
    print(
        f"after {20 * HOSTILE} of {SHORT_BYTES} bytes and {10 * HOSTILE} heads "
        f"+{resident_mb() - empty:.1f} MB"
    )


if __name__ == "__main__":
    main()
