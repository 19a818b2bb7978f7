"""What does this process cost the machine: CPU, memory, file descriptors?  [I/O]

Read when somebody asks for the counters, and never in between.
"""

import os
import time
from pathlib import Path

from edge.common.metrics import Registry

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Usage:
    """Three numbers of this process, as of the last `look`."""

    def __init__(self, metrics: Registry) -> None:
        self._cpu = metrics.counter(
            "edge_process_cpu_seconds_total", "CPU time of this process, user and system"
        ).child()
        self._resident = metrics.gauge(
            "edge_process_resident_bytes", "Memory in use, shared included"
        ).child()
        self._descriptors = metrics.gauge("edge_process_open_descriptors", "Open file descriptors").child()

    def look(self) -> None:
        """Renew the numbers."""
        self._cpu.value = time.process_time()
        self._resident.value = int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES
        self._descriptors.value = len(os.listdir("/proc/self/fd"))
