"""What did a process cost, and on which machine?  [I/O]

CPU time is what a process really used (user and system, all threads), from
`/proc`.  On a noisy machine it is the only figure that two runs agree on;
ratios of it within one run are what the tables show.
"""

import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Meter:
    """One turn, and the bill of some processes for it."""

    def __init__(self, pids: Iterable[int], seconds: float, rate_per_s: float = 0.0) -> None:
        self.seconds = seconds  # how long this turn is to be
        self.rate_per_s = rate_per_s  # seen in the turn before; 0: nothing is known
        self._pids = tuple(pids)
        self._before: dict[int, tuple[float, float]] = {}
        self._after: dict[int, tuple[float, float]] = {}

    def start(self) -> None:
        """From here; a second call counts from there."""
        self._before = {pid: _used_s(pid) for pid in self._pids}

    def stop(self) -> None:
        """Until here."""
        self._after = {pid: _used_s(pid) for pid in self._pids}

    def cpu_s(self, pids: Iterable[int]) -> float:
        """User plus system time of `pids`, which are among ours."""
        return sum(self._after[pid][0] - self._before[pid][0] for pid in pids)

    def system_share(self, pids: Iterable[int]) -> float:
        """How much of it was the kernel's (0 to 1); in ticks of 10 ms, so coarse."""
        pids = tuple(pids)
        whole_s = self.cpu_s(pids)
        system_s = sum(self._after[pid][1] - self._before[pid][1] for pid in pids)
        return min(1.0, system_s / whole_s) if whole_s > 0 else 0.0


def _used_s(pid: int) -> tuple[float, float]:
    """User plus system time so far, and the system's part.  Raises `OSError` if `pid` is gone."""
    stat = _stat(Path(f"/proc/{pid}"))
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(_thread_s(task) for task in tasks), int(stat[12]) / TICKS_PER_S


def _thread_s(task: Path) -> float:
    # `schedstat` counts nanoseconds where the kernel has it, `stat` ticks of 10 ms.
    try:
        return int((task / "schedstat").read_text().split()[0]) / 1e9
    except (FileNotFoundError, ValueError, IndexError):
        fields = _stat(task)
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def _stat(place: Path) -> list[str]:
    # What follows the command's name, which may hold anything.
    return (place / "stat").read_text().rpartition(")")[2].split()


def peak_rss_kib(pids: Iterable[int]) -> int:
    """Highest resident memory that each of `pids` ever had, added up."""
    return sum(_status_kib(pid, "VmHWM") for pid in pids)


def pss_kib(pids: Iterable[int]) -> int:
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
    dirty = _first_line(["git", "status", "--porcelain", "--untracked-files=no", "--", ":!bench/results"])
    return {
        "cpu": f"{os.cpu_count()} x {model}",
        "kernel": platform.release(),
        # Builds of one version differ by a fifth.
        "python": f"{platform.python_version()} ({Path(sys.executable).resolve()})",
        "openssl": _first_line(["openssl", "version"]),
        "haproxy": _first_line(["haproxy", "-v"]),
        "nginx": _first_line(["nginx", "-v"]),
        "modsecurity": _debian("libmodsecurity3", "modsecurity-crs"),
        "wrk": _first_line(["wrk", "-v"]),
        "revision": _first_line(["git", "rev-parse", "--short", "HEAD"]) + (" with changes" if dirty else ""),
        "load before": f"{os.getloadavg()[0]:.2f} over the minute before the run",
    }


def _debian(*packages: str) -> str:
    told = _first_line(["dpkg-query", "-W", "-f", "${Package} ${Version}; ", *packages])
    return told.strip("; ") or "not installed"


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


def _first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "not installed"
    return (done.stdout + done.stderr).strip().split("\n")[0]
