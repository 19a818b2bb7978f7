"""How busy is this machine, and with whom?  [I/O]"""

import os
import resource
from pathlib import Path

import trio

from edge.lab.crowd import CROWDED_SHARE, Busy, others_share, read

QUIET_WAIT_S = 30.0
QUIET_LOOK_S = 1.5


def busy_now() -> Busy:
    """All CPUs' seconds, and those of this process and its children that have ended."""
    ours = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    ours_s = sum(one.ru_utime + one.ru_stime for one in ours)
    return read(Path("/proc/stat").read_text(), os.sysconf("SC_CLK_TCK"), ours_s)


async def quiet() -> bool:
    """Wait until others have left the machine; False if they did not within `QUIET_WAIT_S`."""
    for _ in range(int(QUIET_WAIT_S / QUIET_LOOK_S)):
        before = busy_now()
        await trio.sleep(QUIET_LOOK_S)
        if others_share(before, busy_now()) < CROWDED_SHARE:
            return True
    return False
