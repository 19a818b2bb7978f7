"""Run a lab, and again where the machine was not ours.  [I/O]

What fails on a machine that others used meanwhile says nothing; what fails on a
machine of its own has failed.  Discarded runs stand in the report: a lab that needs
three of them is worth a look all the same.
"""

from pathlib import Path

from msgspec.structs import replace

from edge.lab.crowd import CROWDED_SHARE
from edge.lab.machine import QUIET_WAIT_S, quiet
from edge.lab.plan import Lab
from edge.lab.run import Discarded, LabRun
from edge.lab.runner import Live, Tell, run_once

RUNS_MAX = 3


async def run_lab(
    root: Path,
    name: str,
    lab: Lab,
    *,
    prediction: str = "",
    tell: Tell = lambda text: None,
    live: Live = lambda told: None,
    runs_max: int = RUNS_MAX,
) -> LabRun:
    """The first run that holds or was made on a quiet machine, or the last of `runs_max`.

    Raises `ConfigError`, `NotReady`, `LinkLost`.
    """
    discarded: list[Discarded] = []
    while True:
        run = await run_once(root, name, lab, prediction, tell, live)
        if run.passed or run.others < CROWDED_SHARE or len(discarded) + 1 >= runs_max:
            return replace(run, discarded=discarded)
        failed = [verdict.that for verdict in run.verdicts if not verdict.holds]
        discarded.append(Discarded(others=run.others, failed=failed))
        tell(f"{len(failed)} expectations failed, but others had {run.others:.0%} of the machine; again")
        if not await quiet():
            tell(f"it did not get quiet within {QUIET_WAIT_S:g} s")
