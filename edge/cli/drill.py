"""`edge drill`: a hidden fault, to be found with the edge's own instruments.  [I/O]"""

import os
import random
import sys
import time
from pathlib import Path
from typing import Any

import cyclopts
import msgspec
import trio

from edge.cli.hub import CommandRefused, ask, command, run_dir_from_environment
from edge.cli.phone import Surroundings, with_cookie
from edge.cli.screen import paint
from edge.common.run_files import write_atomically
from edge.lab.drill import DRILL_S, FELT, Drill, Kind, bystanders, candidates, is_right, is_well, points
from edge.lab.measure import quantile

FILE = "drill.json"
ROUNDS = 12
TRIES = 8  # faults that nobody feels before we give up
PATHS = ("/api/v1/feed/timeline/", "/api/v1/feed/reels_tray/", "/api/v1/direct_v2/inbox/", "/media/p1")

app = cyclopts.App(name="drill", help="A hidden fault: find it, mend it, and be graded by what phones feel.")


@app.command
def begin(*, seed: int = 0, level: int = 1) -> None:
    """Hide a fault in the running edge for ten minutes.

    Parameters
    ----------
    seed
        The same seed hides the same fault; by default a new one each time.
    level
        1 is loud, 2 is grey, 3 is somewhere below the surface.
    """
    run_dir = run_dir_from_environment()
    seed = seed or int.from_bytes(os.urandom(3)) + 1
    members = ask(run_dir, "status")
    services = [(one["name"], one["service"]) for one in members if one.get("service")]
    print("looking at how the edge feels when it is well ...", file=sys.stderr)
    latencies, errors = trio.run(_feel)
    if errors:
        raise CommandRefused("the edge is not well as it is; `edge fault clear` ends what is being played")
    baseline_ms = quantile(sorted(latencies), FELT)
    journal = ask(run_dir, "journal")
    print("hiding something ...", file=sys.stderr)
    for at, kind in candidates(level, services, random.Random(f"{seed}/{level}").shuffle)[:TRIES]:
        _hide(run_dir, at, kind)
        # Felt, and still felt when retries and ejections have done what they can.
        if not any(is_well(*trio.run(_feel), baseline_ms) for _ in range(2)):
            break
        command(run_dir, "service", "fault", do="clear", id="drill")
    else:
        raise CommandRefused(f"nothing of level {level} is felt by the phones of this edge")
    drill = Drill(
        seed=seed,
        level=level,
        at=at,
        kind=kind.kind,
        symptom=kind.symptom,
        word=kind.word,
        hint=kind.hint,
        began_unix=time.time(),
        baseline_ms=baseline_ms,
        last_event=max((event["number"] for event in journal), default=0),
    )
    _keep(run_dir, drill)
    print(f"drill {seed} of level {level} has begun: {paint(kind.symptom, '1')}.\n")
    print("Look:    edge trace --repeat 10 · edge top · edge metrics · edge logs · the console")
    print("Mend:    edge drain NAME · edge weight NAME 0 · edge kill NAME")
    print('Say it:  edge drill answer "feed-2 slow"      Are we well?  edge drill check')


def _hide(run_dir: Path, at: str, kind: Kind) -> None:
    fault: dict[str, Any] = {
        "id": "drill",
        "kind": kind.kind,
        "amount": kind.amount,
        "share": kind.share,
        "for_s": DRILL_S,
        "hidden": True,
    }
    # Told to every service, so that the journal does not give the place away.
    command(run_dir, "service", "fault", at=at, **fault)


@app.command
def hint() -> None:
    """A hint, for some points."""
    run_dir = run_dir_from_environment()
    drill = _kept(run_dir)
    _keep(run_dir, msgspec.structs.replace(drill, hints=drill.hints + 1))
    print(drill.hint)


@app.command
def answer(*words: str) -> None:
    """Say where the fault is and of what sort: `edge drill answer feed-2 slow`."""
    drill = _kept(run_dir_from_environment())
    right = is_right(" ".join(words), drill)
    if right:
        print(
            paint("right", "32")
            + f": {drill.at}, {drill.kind}; now mend it: `edge drill check` says whether phones agree"
        )
    else:
        print(paint("no", "31") + ": that is not it")
    sys.exit(0 if right else 1)


@app.command
def check() -> None:
    """Do phones still feel it?  When not, the drill is over and graded."""
    run_dir = run_dir_from_environment()
    drill = _kept(run_dir)
    latencies, errors = trio.run(_feel)
    after_s = time.time() - drill.began_unix
    slow = quantile(sorted(latencies), FELT)
    print(f"{len(latencies)} answers, p95 {slow:.0f} ms (was {drill.baseline_ms:.0f}), {errors} errors")
    if not is_well(latencies, errors, drill.baseline_ms):
        print("not well yet")
        sys.exit(1)
    names = [member["name"] for member in ask(run_dir, "status")]
    innocent = bystanders(ask(run_dir, "journal", after=drill.last_event), drill.at, names)
    score = points(after_s, drill.hints, len(innocent))
    _end(run_dir)
    print(paint(f"well again after {after_s:.0f} s: {score} points", "32"))
    print(
        f"it was {drill.at}: {drill.kind}" + (f"; bystanders hit: {', '.join(innocent)}" if innocent else "")
    )


@app.command
def end() -> None:
    """Give up: the fault ends, and you are told what it was."""
    run_dir = run_dir_from_environment()
    drill = _kept(run_dir)
    _end(run_dir)
    print(f"it was {drill.at}: {drill.kind} ({drill.symptom})")


async def _feel() -> tuple[list[float], int]:
    """Latencies in ms and the number of errors, as a phone in Jaipur sees them."""
    here = Surroundings()
    phone = here.phone("jaipur")
    latencies: list[float] = []
    errors = 0
    try:
        cookie = await here.cookie(phone, "ada")
        for number in range(ROUNDS * len(PATHS)):
            # A path of its own each time, or the cache would answer for the media service.
            path = PATHS[number % len(PATHS)]
            if path.startswith("/media/"):
                path += str(random.randrange(1_000_000))
            question = with_cookie(here.question(path, "", [], None), cookie)
            began = time.monotonic()
            call = await phone.call(question)
            latencies.append((time.monotonic() - began) * 1000)
            errors += bool(call.failed) or call.status >= 500
    finally:
        phone.hang_up()
    return latencies, errors


def _kept(run_dir: Path) -> Drill:
    try:
        return msgspec.json.decode((run_dir / FILE).read_bytes(), type=Drill)
    except (OSError, msgspec.DecodeError):
        raise CommandRefused("no drill is running; `edge drill begin` starts one") from None


def _keep(run_dir: Path, drill: Drill) -> None:
    write_atomically(run_dir / FILE, msgspec.json.encode(drill))


def _end(run_dir: Path) -> None:
    command(run_dir, "service", "fault", do="clear", id="drill")
    (run_dir / FILE).unlink(missing_ok=True)
