"""What does a decision of L4's admission cost under a million forged sources?  [I/O]

`python -m bench.l4_admission [--sources 1000000]`

Every source is new, as in a flood with forged addresses, and the table is full from
a tenth of the way on, so most decisions also make somebody be forgotten: the
dearest case.  Billed is the thread's CPU time, with the loop's own cost included.
"""

import argparse
import socket
import sys
import time

from edge.common.config import AdmissionConfig
from edge.l4.admission import Admission

BAR_US = 5.0
SOURCES_MAX = 100_000
# Odd, so that every number below 2^32 comes out once.
SCATTER = 2_654_435_761


def cost_us(sources: int, flood_rate_per_s: float) -> float:
    """Microseconds a decision (and the release of what was admitted)."""
    keeper = Admission(
        AdmissionConfig(
            rate_per_s=1e9, burst=1_000_000, sources_max=SOURCES_MAX, flood_rate_per_s=flood_rate_per_s
        )
    )
    began = time.thread_time()
    for number in range(sources):
        source = (number * SCATTER % 2**32).to_bytes(4, "big")
        keeper.admit(source, 100.0 + number * 1e-6)
        keeper.release(source)
    return (time.thread_time() - began) / sources * 1e6


def main() -> int:
    """Print one line a mood; 1 if the bar is missed."""
    parser = argparse.ArgumentParser(prog="bench.l4_admission", description=__doc__)
    parser.add_argument("--sources", type=int, default=1_000_000)
    options = parser.parse_args()
    calm = cost_us(options.sources, 1e9)
    flood = cost_us(options.sources, 3000.0)
    host = socket.gethostname()
    print(
        f"{options.sources} sources on {host}: {calm:.2f} us each, {flood:.2f} in flood mode (bar {BAR_US})"
    )
    return int(max(calm, flood) > BAR_US)


if __name__ == "__main__":
    sys.exit(main())
