"""By tier, how long does a feed timeline take?  [I/O]

`EDGE_RUN_DIR=... python -m bench.where_time_goes 20` asks a running edge so often over
cold and over warm connections, traces each request, and prints the medians of the
parts as JSON.  The same attribution as `edge trace`: every nanosecond of the total
belongs to exactly one part.
"""

import statistics
import sys

import orjson
import trio

from edge.cli.phone import Surroundings, with_cookie
from edge.phone.attribution import UNATTRIBUTED, attribute
from edge.phone.call import Call, Phone, Question
from edge.phone.critical_path import critical_path
from edge.phone.span_tree import build

TIMELINE = "/api/v1/feed/timeline/"
NETWORK = ("tcp", "tls", "send", "body", "wire")  # the phone's own phases, and the way between
Parts = dict[str, float]


def main() -> None:
    """Print the medians."""
    count = int(sys.argv[1])
    here = Surroundings()
    phone = here.phone("jaipur")
    question = here.question(TIMELINE, "", [], None)
    told = {
        "cold": trio.run(_several, here, phone, question, count, True),
        "warm": trio.run(_several, here, phone, question, count, False),
    }
    print(orjson.dumps(told).decode())


async def _several(here: Surroundings, phone: Phone, question: Question, count: int, cold: bool) -> Parts:
    asked = with_cookie(question, await here.cookie(phone, "ada"))
    await phone.call(asked)
    found: list[Parts] = []
    for _ in range(count):
        if cold:
            phone.hang_up()
        call = await phone.call(asked)
        if call.status == 200:
            found.append(await _parts(here, call))
    phone.hang_up()
    names = dict.fromkeys(name for parts in found for name in parts)
    return {name: statistics.median(parts.get(name, 0.0) for parts in found) for name in names}


async def _parts(here: Surroundings, call: Call) -> Parts:
    tree = build(await here.gather(call.trace_id, call.spans), call.root_id)
    whole = attribute(tree, critical_path(tree.root))
    parts: Parts = {"total": whole.total_ns / 1e6}
    for part in whole.parts:
        name = "phone and network" if part.name in NETWORK else part.name
        name = name if name in ("phone and network", "dns", "l4", "l7") else "services"
        parts[name] = parts.get(name, 0.0) + part.ns / 1e6
    parts[UNATTRIBUTED] = whole.unattributed_ns / 1e6
    return parts


if __name__ == "__main__":
    main()
