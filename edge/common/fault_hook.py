"""How do faults reach a process, and how does a tier play them?  [I/O]

`install` is called once by the frame of every process: it listens for the
command "fault" and answers the question "faults".  A tier that wants to be
breakable then needs three lines where its work begins:

    if faults.armed and (strike := struck(faults)):
        await stall(strike)
        ...                         # status and reset are the tier's own business

A freeze blocks the whole process, event loop and all, as SIGSTOP would: no
beats, no answers.  Unlike SIGSTOP it needs nobody to end it: the process looks at
its watch every `FREEZE_LOOK_S`, and at a file that `edge fault clear` touches.
"""

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trio

from edge.common.faults import Fault, FaultRefused, Faults, Strike, parse
from edge.common.link import LinkState
from edge.common.log import Log

FREEZE_LOOK_S = 0.02
THAW_FILE = "thaw"
# The answer to the command has to leave before the process stands still.
FREEZE_NOTICE_S = 0.1


def install(faults: Faults, link: LinkState, run_dir: Path, log: Log) -> None:
    """Take orders for `faults` from the hub."""

    async def order(args: dict[str, Any]) -> str:
        now = trio.current_time()
        what = str(args.get("do", "add"))
        if what == "clear":
            cleared = faults.clear(str(args.get("id", "")))
            return f"{cleared} fault{'' if cleared == 1 else 's'} cleared"
        if what != "add":
            raise FaultRefused(f"a fault is added or cleared, not {what!r}")
        if args.get("at", link.member.name) != link.member.name:
            # A drill tells everybody, so that the journal does not give the place away.
            return "noted"
        fault = parse(args)
        faults.add(fault, now)
        if not fault.hidden:
            log.warning("fault.add", id=fault.id, fault=fault.text(), for_s=fault.for_s)
        if fault.kind == "freeze":
            trio.lowlevel.spawn_system_task(_freeze, faults, fault, run_dir / THAW_FILE, log)
        if fault.hidden:
            return "noted"
        return f"{fault.text()} for {fault.for_s:g} s (id {fault.id})"

    link.on_command("fault", order)
    link.on_ask("faults", lambda args: faults.active(trio.current_time()))


def struck(faults: Faults, to: tuple[str, ...] = (), check: bool = False) -> Strike | None:
    """What befalls the next one here, with real clock and dice."""
    return faults.strike(trio.current_time(), random.random, to, check)


async def stall(strike: Strike) -> None:
    """The waiting part of `strike`: its latency, or for ever (the caller's deadline ends that)."""
    if strike.hang:
        await trio.sleep_forever()
    if strike.delay_s > 0:
        await trio.sleep(strike.delay_s)


def thaw(run_dir: Path) -> None:
    """Wake every frozen process of this edge."""
    (run_dir / THAW_FILE).touch()


async def _freeze(faults: Faults, fault: Fault, thaw_file: Path, log: Log) -> None:
    await trio.sleep(FREEZE_NOTICE_S)
    hold(fault.for_s, _stamp(thaw_file), lambda: _stamp(thaw_file))
    faults.clear(fault.id)
    log.warning("fault.thawed", id=fault.id)


def hold(for_s: float, stamp: int, read_stamp: Callable[[], int]) -> None:
    """Block this thread for `for_s` seconds, or until `read_stamp()` differs from `stamp`."""
    until = time.monotonic() + for_s
    while time.monotonic() < until and read_stamp() == stamp:
        time.sleep(FREEZE_LOOK_S)


def _stamp(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
