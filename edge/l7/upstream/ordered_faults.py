"""Play the faults that were ordered for the way from this worker to an endpoint.  [I/O]

`edge fault add latency --at l7-mumbai-1 --to feed-2` slows that hop; without
`--to` it is the worker itself that is sick, whomever it asks.  A request that
meets a fault fails like one that met the real thing: it is retried, counted and
told in the trace.
"""

import time

import trio

from edge.common.fault_hook import stall, struck
from edge.common.faults import Faults


async def suffer(faults: Faults, cluster: str, endpoint: str, until: float) -> tuple[str, str] | None:
    """Wait as ordered; the flag and the sentence of a failure, None where the request may go on.

    `until` is on CLOCK_MONOTONIC: no fault holds a request longer than its try.
    """
    strike = struck(faults, (cluster, endpoint)) or struck(faults)
    if strike is None:
        return None
    named = f"fault {', '.join(strike.ids)}" if strike.ids else "something"
    with trio.move_on_after(max(0.0, until - time.monotonic())):
        await stall(strike)
    if time.monotonic() >= until:
        return "UT", f"{named} on the way to {endpoint} held it until its time was up"
    if strike.reset:
        return "UC", f"{named} cut the connection to {endpoint}"
    if strike.status:
        return "FI", f"{named} on the way to {endpoint} failed it"
    return None
