"""The pair fails over without losing a connection: real processes, real signals."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trio

from edge.l4.fence import Fence
from tests.kit.callers import Callers

pytestmark = pytest.mark.e2e

NEW_PER_S = 200
LONG = 500
KILLS = 10
STOP_S = 5.0


@dataclass(slots=True)
class Rig:
    """Two stand-in workers and a pair of L4s."""

    run_dir: Path
    host: str = ""
    port: int = 0
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        output = open(self.run_dir / f"{len(self.processes)}.out", "wb")  # noqa: SIM115
        with output:
            process = subprocess.Popen([sys.executable, "-m", *arguments], stdout=output)
        self.processes.append(process)
        return process

    def output(self, number: int) -> str:
        return (self.run_dir / f"{number}.out").read_text()

    def active_pid(self, lane: str = "mumbai") -> int:
        fence = Fence(self.run_dir / "l4", lane)
        try:
            return fence.holder_pid()
        finally:
            fence.close()

    def epochs(self) -> dict[int, set[int]]:
        """For each epoch the L4s whose records claimed it."""
        seen: dict[int, set[int]] = {}
        for number in (0, 1):
            for line in self.output(number).splitlines():
                if line.startswith("epoch "):
                    _, epoch, pid = line.split()
                    seen.setdefault(int(epoch), set()).add(int(pid))
        return seen


@pytest.fixture(params=["active-standby"])
def rig(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Rig]:
    made = Rig(tmp_path)
    for number in (1, 2):
        made.start("tests.kit.worker_stand_in", str(tmp_path / "l7" / f"l7-mumbai-{number}.sock"))
    made.start("tests.kit.l4_process", str(tmp_path), "--mode", request.param)
    yield made
    for process in reversed(made.processes):
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=10)


@asynccontextmanager
async def under_load(rig: Rig, lane: str = "mumbai") -> AsyncIterator[Callers]:
    """Phones that call all the while; at the end each has had its answer or its failure."""
    with trio.fail_after(20):
        while "port" not in rig.output(2) or not rig.active_pid(lane):
            await trio.sleep(0.02)
    told = next(line for line in rig.output(2).splitlines() if line.startswith('{"host"'))
    address = json.loads(told)
    callers = Callers(address["host"], address["port"])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(callers.feel_the_pulse)
        nursery.start_soon(callers.stay, LONG)
        with trio.fail_after(20):
            while callers.long_open < LONG:
                await trio.sleep(0.02)
        nursery.start_soon(callers.call, NEW_PER_S)
        await trio.sleep(0.5)
        yield callers
        await trio.sleep(0.5)
        nursery.cancel_scope.cancel()


def judge(rig: Rig, callers: Callers, lanes: int = 1) -> str:
    verdict = (
        f"{len(callers.answered)} answered, {len(callers.failed)} failed, {len(callers.cut)} cut, "
        f"gap {callers.longest_gap_s() * 1000:.0f} ms, slowest {callers.slowest_s() * 1000:.0f} ms"
    )
    print(verdict, file=sys.stderr)
    assert callers.cut == [], verdict
    assert len(callers.failed) <= 1, (verdict, callers.failed)
    assert callers.longest_gap_s() < 0.150, verdict
    assert all(len(pids) <= lanes for pids in rig.epochs().values()), rig.epochs()
    return verdict


async def test_ten_kills_of_the_active_one_cut_nobody(rig: Rig) -> None:
    """kill -9, ten times, each time whoever is active then."""
    async with under_load(rig) as callers:
        killed = []
        for _ in range(KILLS):
            victim = rig.active_pid()
            os.kill(victim, signal.SIGKILL)
            killed.append(victim)
            with trio.fail_after(5):
                while rig.active_pid() == victim:
                    await trio.sleep(0.005)
            await trio.sleep(0.4)

    judge(rig, callers)
    assert len(set(killed)) == KILLS
    assert len(rig.epochs()) >= KILLS


async def test_a_primary_that_is_stopped_and_wakes_finds_itself_deposed(rig: Rig) -> None:
    """SIGSTOP is the split-brain test: the old one wakes and believes it is still active."""
    async with under_load(rig) as callers:
        sleeper = rig.active_pid()
        os.kill(sleeper, signal.SIGSTOP)
        await trio.sleep(STOP_S)
        successor = rig.active_pid()
        os.kill(sleeper, signal.SIGCONT)
        await trio.sleep(1.0)
        still = rig.active_pid()

    judge(rig, callers)
    assert successor != sleeper
    assert still == successor


@pytest.mark.parametrize("rig", ["active-active"], indirect=True)
async def test_with_both_active_the_death_of_one_is_no_event(rig: Rig) -> None:
    """Nobody has to take over: the other one is accepting from the same queue already."""
    async with under_load(rig, "mumbai-1") as callers:
        both = {rig.active_pid("mumbai-0"), rig.active_pid("mumbai-1")}
        os.kill(rig.active_pid("mumbai-0"), signal.SIGKILL)
        await trio.sleep(1.0)

    judge(rig, callers, lanes=2)
    assert len(both) == 2
    assert set().union(*rig.epochs().values()) >= both
