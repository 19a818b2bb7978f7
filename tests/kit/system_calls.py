"""Which system calls does a process make, and how many?  [I/O]

With strace, from outside, so that no shim can miss one.
"""

import re
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# "  45.12    0.001234           1      1000         3 recvfrom": share, seconds, each, calls, errors, name.
_LINE = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$")


def can_trace() -> bool:
    """Is strace there, and may it look at our own children?"""
    if shutil.which("strace") is None:
        return False
    tried = subprocess.run(["strace", "-c", "-o", "/dev/null", "true"], capture_output=True, check=False)
    return tried.returncode == 0


def parse(summary: str) -> Counter[str]:
    """The calls in a summary of `strace -c`."""
    found: Counter[str] = Counter()
    for line in summary.splitlines():
        if (match := _LINE.match(line)) and match[2] != "total":
            found[match[2]] += int(match[1])
    return found


@contextmanager
def counted(pid: int, folder: Path) -> Iterator[Counter[str]]:
    """The calls that `pid` makes inside the block; known after it."""
    found: Counter[str] = Counter()
    summary = folder / "strace.txt"
    tracer = subprocess.Popen(
        ["strace", "-f", "-c", "-o", str(summary), "-p", str(pid)], stderr=subprocess.PIPE, text=True
    )
    try:
        assert tracer.stderr is not None, "asked for"
        assert "attached" in tracer.stderr.readline()
        yield found
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(20)
    found.update(parse(summary.read_text()))
