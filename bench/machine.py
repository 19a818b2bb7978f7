"""What did a process cost, and on which machine?  [I/O]

CPU time is what a process really used (user and system, all threads), from
`/proc`.  On a noisy machine it is the only figure that two runs agree on;
ratios of it within one run are what the tables show.
"""

import os
import platform
import subprocess
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_s(pids: list[int]) -> float:
    """User plus system time that `pids` have used so far, in seconds.

    From `schedstat` (nanoseconds) where the kernel has it: `stat` counts in ticks
    of 10 ms.
    """
    return sum(_thread_s(task) for pid in pids for task in Path(f"/proc/{pid}/task").iterdir())


def _thread_s(task: Path) -> float:
    try:
        return int((task / "schedstat").read_text().split()[0]) / 1e9
    except (OSError, ValueError, IndexError):
        fields = (task / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def peak_rss_kib(pids: list[int]) -> int:
    """Highest resident memory that each of `pids` ever had, added up."""
    return sum(_status_kib(pid, "VmHWM") for pid in pids)


def pss_kib(pids: list[int]) -> int:
    """Resident memory now, shared pages counted by share."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total


def _status_kib(pid: int, key: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1])
    return 0


def describe() -> dict[str, str]:
    """The machine and the versions, to stand beside the results."""
    model = next(
        (line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    return {
        "cpu": f"{os.cpu_count()} x {model}",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "haproxy": _first_line(["haproxy", "-v"]),
        "nginx": _first_line(["nginx", "-v"]),
        "wrk": _first_line(["wrk", "-v"]),
        "revision": _first_line(["git", "rev-parse", "--short", "HEAD"]),
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


def _first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "not installed"
    return (done.stdout + done.stderr).strip().split("\n")[0]
