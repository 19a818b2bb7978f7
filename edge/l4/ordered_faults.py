"""Play the faults that were ordered at a distributor.  [I/O]

Handoff reads no byte, so only some nouns mean something to it (`survives`): latency
and timeout leave connections waiting in the kernel's queue, reset, error and down turn
them away.  Connections that were handed over are not L4's any more and feel nothing.

A relay is on the way of every byte, so for it every noun means what it means to
Toxiproxy (`pass_on`): connections that are open feel what is ordered, in both
directions, from the next bytes on, and no longer than it stands.  It cannot speak for
the service, so an error is a reset.
"""

import errno
import os
import socket

import trio

from edge.common.fault_hook import stall, struck
from edge.common.faults import Faults, Strike
from edge.l4.refuse import refuse_descriptor

# A timeout has no end of its own; look again whether the fault still stands.
LOOK_S = 0.5
# Slices of what is slowed down: small enough to look smooth, large enough to be few.
SLICES_PER_S = 20.0


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


async def pass_on(faults: Faults, to: tuple[str, ...], count: int) -> int:
    """Let `count` bytes on their way to or from `to` feel what stands; how many may go on now.

    Raises `ConnectionResetError` where the connection is to end.
    """
    # Ordered for everything that passes here, and for this hop only.
    for names in ((), to) if to else ((),):
        while (strike := struck(faults, names)) is not None:
            if not strike.hang:
                count = await _feel(strike, count)
                break
            await trio.sleep(LOOK_S)
    return count


async def _feel(strike: Strike, count: int) -> int:
    await stall(strike)
    if strike.reset or strike.status:
        raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
    if strike.bytes_per_s and count:
        count = min(count, max(1, int(strike.bytes_per_s / SLICES_PER_S)))
        await trio.sleep(count / strike.bytes_per_s)
    return count
