"""Play the faults that were ordered at a distributor on whoever comes next.  [I/O]

L4 reads no byte, so only some nouns mean something here: latency and timeout leave
connections waiting in the kernel's queue, reset, error and down turn them away.
Connections that were handed over are not L4's any more and feel nothing.
"""

import socket

import trio

from edge.common.fault_hook import stall, struck
from edge.common.faults import Faults
from edge.l4.refuse import refuse_descriptor

# A timeout has no end of its own; look again whether the fault still stands.
LOOK_S = 0.5


async def survives(faults: Faults, listener: socket.socket) -> bool:
    """May the next connection of `listener` be accepted?  False where it was turned away, or has to wait."""
    strike = struck(faults)
    if strike is None:
        return True
    if strike.hang:
        await trio.sleep(LOOK_S)
        return False
    await stall(strike)
    if not (strike.reset or strike.status):
        return True
    try:
        # As the engine does: a number is all that is wanted.
        descriptor, _ = listener._accept()  # type: ignore[attr-defined]
    except OSError:
        return False  # it gave up first
    refuse_descriptor(descriptor, listener.family, "reset")
    return False
