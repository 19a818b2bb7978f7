"""`edge fault add|list|clear`: break a hop on purpose, for a while.  [I/O]"""

import random
from typing import Annotated, Any

import cyclopts

from edge.cli.hub import CommandRefused, ask, command, run_dir_from_environment
from edge.cli.screen import say_json, say_table
from edge.common.errors import ConfigError
from edge.common.fault_hook import thaw
from edge.common.faults import FOR_S_DEFAULT, Fault, FaultRefused, parse

HEAD = ("ID", "AT", "FAULT", "LEFT")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "": 1.0}

app = cyclopts.App(name="fault", help="Make a hop slow, broken or dead; every fault ends by itself.")


@app.command
def add(
    kind: str,
    *,
    at: str,
    to: str = "",
    ms: float = 300.0,
    jitter: float = 0.0,
    rate: float = 16.0,
    status: int = 503,
    seconds: Annotated[str, cyclopts.Parameter(name=["--for", "--seconds"])] = f"{FOR_S_DEFAULT:g}s",
    share: Annotated[float, cyclopts.Parameter(name=["--share", "--toxicity"])] = 1.0,
) -> None:
    """Play a fault at a process, a service, a tier or a POP.

    KIND is latency (--ms, --jitter), bandwidth (--rate, KiB/s), error (--status),
    timeout, reset, down or freeze.

    Parameters
    ----------
    at
        Where: feed-2, feed, l7, l7-mumbai-1, mumbai ...
    to
        Only what it sends to this cluster, service or endpoint.
    seconds
        How long: 30s, 2m, 500ms.
    share
        Which share of the requests, 0 to 1.
    """
    amounts = {"latency": ms, "bandwidth": rate, "error": float(status)}
    fault = Fault(
        id=f"f{random.getrandbits(24):06x}",
        kind=kind,  # type: ignore[arg-type]  # parse() below says what is wrong with it
        amount=amounts.get(kind, 0.0),
        jitter=jitter if kind == "latency" else 0.0,
        share=share,
        to=to,
        for_s=duration_s(seconds),
    )
    args = as_args(fault)
    try:
        parse(args)
    except FaultRefused as error:
        raise ConfigError([str(error)]) from error
    print(command(run_dir_from_environment(), at, "fault", **args))


@app.command(name="list")
def list_(*, json: bool = False) -> None:
    """Every fault that is being played, and what is left of it."""
    active = faults()
    if json:
        say_json(active)
        return
    say_table(HEAD, [(one["id"], one["at"], one["text"], f"{one['left_s']:.1f} s") for one in active])


@app.command
def clear(id: str = "", *, at: str = "*") -> None:
    """End fault ID, or every fault: the emergency stop."""
    run_dir = run_dir_from_environment()
    thaw(run_dir)
    # Who is frozen cannot answer; it has thawed by now and hears of this in its queue.
    known = [one for one in faults() if id in ("", one["id"])]
    for name in sorted({one["at"] for one in known}) if at == "*" else [at]:
        command(run_dir, name, "fault", do="clear", id=id)
    print(f"{len(known)} fault{'' if len(known) == 1 else 's'} cleared")


def faults() -> list[dict[str, Any]]:
    """What is being played, with `at` naming the process."""
    answers: dict[str, Any] = ask(run_dir_from_environment(), "faults")
    return [{"at": name, **fault} for name, found in sorted(answers.items()) for fault in found or ()]


def as_args(fault: Fault) -> dict[str, Any]:
    """The command's arguments for `fault`."""
    return {name: getattr(fault, name) for name in Fault.__struct_fields__}


def duration_s(text: str) -> float:
    """`"30s"`, `"2m"`, `"500ms"` or `"30"` in seconds.  Raises `CommandRefused`."""
    number = text.rstrip("ms")
    unit = text[len(number) :]
    try:
        return float(number) * _UNITS[unit]
    except (KeyError, ValueError):
        raise CommandRefused(f"{text!r} is no duration; say 30s, 2m or 500ms") from None
