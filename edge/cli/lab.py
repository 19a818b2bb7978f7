"""`edge lab list|show|run|report`: experiments on an edge of their own.  [I/O]"""

import sys
import time
from pathlib import Path
from typing import Any

import cyclopts
import msgspec
import orjson
import trio

import edge.lab.report
from edge.cli.screen import is_colourful, paint, say_json, say_table
from edge.common.errors import ConfigError, EdgeError
from edge.lab.namespace import NoNamespace, apart
from edge.lab.plan import Lab, parse
from edge.lab.repeat import RUNS_MAX, run_lab
from edge.lab.report import report as page
from edge.lab.run import LabRun

ROOT = Path(__file__).parents[2]
LABS = ROOT / "labs"

app = cyclopts.App(name="lab", help="Experiments: a question, your guess, a run, an honest answer.")


@app.command(name="list")
def list_(*, json: bool = False) -> None:
    """Every lab, with its question."""
    labs = {name: load(name) for name in names()}
    if json:
        say_json([{"name": name, "title": lab.title, "question": lab.question} for name, lab in labs.items()])
        return
    rows = [(name, "*" * lab.level, f"{lab.seconds():.0f} s", lab.question) for name, lab in labs.items()]
    say_table(("LAB", "LEVEL", "LOAD", "QUESTION"), rows)


@app.command
def show(name: str) -> None:
    """What lab NAME asks, what to watch for, what it does."""
    lab = load(name)
    print(paint(lab.title, "1"))
    print(f"\n  {lab.question}\n")
    if lab.story:
        print(f"{lab.story.strip()}\n")
    for title, lines in (("Watch for", lab.watch_for), ("You will learn", lab.learn), ("The code", lab.code)):
        print(f"{title}:")
        for line in lines:
            print(f"  - {line}")
        print()
    print("How it runs:")
    for variant in lab.variant:
        settings = ", ".join(f"{key}={value}" for key, value in variant.set.items())
        print(f"  - {variant.name}: {variant.note or settings or 'as configured'}")
    for step in lab.step:
        print(f"  - at {step.at_s:g} s: {step.text or f'{step.do} {step.target}'}")
    print(f"\nPredict: {lab.predict.ask}\n\n  edge lab run {name} --predict '...'")


@app.command
def run(
    *wanted: str,
    predict: str = "",
    out: Path | None = None,
    quiet: bool = False,
    live: bool = False,
    once: bool = False,
) -> None:
    """Run labs by name, or `all`, and write a report for each.

    Every lab starts an edge of its own on free ports; a running one is left alone.
    Exit status 1 where an expectation did not hold.

    Parameters
    ----------
    predict
        Your guess; asked for in a terminal.
    out
        Where reports go; runs/ by default.
    quiet
        Print the report's path and nothing else.
    live
        How it goes, twice a second, as JSON lines: what the console draws.
    once
        Take the first result, also where others used the machine meanwhile.
    """
    if not wanted:
        raise ConfigError([f"which lab?  {', '.join(names())}, or all"])
    chosen = _chosen(wanted)
    directory = out or ROOT / "runs"
    results: list[tuple[str, ...]] = []
    for name in chosen:
        results.append(_run_one(name, predict, directory, quiet, live, once))
    if len(chosen) > 1:
        styles = [{"holds": "", "skipped": "33"}.get(row[1], "31") for row in results]
        say_table(("LAB", "VERDICT", "HELD", "SECONDS", "OTHERS HAD", "REPORT"), results, styles)
    if any(row[1] not in ("holds", "skipped") for row in results):
        sys.exit(1)


@app.command
def report(name: str) -> None:
    """Write the newest run of lab NAME's report anew, and say where it is."""
    found = sorted((ROOT / "runs").glob(f"*-{name}/run.json"))
    if not found:
        raise ConfigError([f"lab {name} was not run yet: edge lab run {name}"])
    done = msgspec.convert(orjson.loads(found[-1].read_bytes()), LabRun)
    print(_write(load(name), done, found[-1].parent))


def names() -> list[str]:
    """Every lab there is, in the order in which they are best done."""
    return sorted((file.stem for file in LABS.glob("*.toml")), key=lambda name: (load(name).level, name))


def load(name: str) -> Lab:
    """The lab NAME.  Raises `ConfigError`."""
    path = LABS / f"{name}.toml"
    if not path.is_file() or path.parent != LABS:
        known = ", ".join(sorted(file.stem for file in LABS.glob("*.toml")))
        raise ConfigError([f"no lab is called {name!r}; there are {known}"])
    return parse(path.read_text(), f"labs/{path.name}")


def _chosen(wanted: tuple[str, ...]) -> list[str]:
    if wanted == ("all",):
        return names()
    if wanted == ("ci",):
        return [name for name in names() if load(name).ci]
    return list(wanted)


def _run_one(
    name: str, predict: str, directory: Path, quiet: bool, live: bool, once: bool
) -> tuple[str, ...]:
    lab = load(name)
    print(paint(f"{name}: {lab.question}", "1"), file=sys.stderr)
    guess = predict or (_ask(lab) if is_colourful() and sys.stdin.isatty() and not quiet else "")
    tell = (lambda text: None) if quiet else (lambda text: print(f"  {text}", file=sys.stderr))
    show = _say_live if live else (lambda told: None)
    started = time.monotonic()
    try:

        def play() -> LabRun:
            runs_max = 1 if once else RUNS_MAX
            return trio.run(
                lambda: run_lab(ROOT, name, lab, prediction=guess, tell=tell, live=show, runs_max=runs_max)
            )

        if lab.own_network:
            told = apart(lambda: orjson.dumps(msgspec.to_builtins(play())))
            done = msgspec.convert(orjson.loads(told), LabRun)
        else:
            done = play()
    except NoNamespace as error:
        # Not the lab's fault, and nothing was measured: neither holds nor fails.
        print(f"  skipped: {error}", file=sys.stderr)
        return name, "skipped", "-", f"{time.monotonic() - started:.0f}", "-", str(error)
    except (EdgeError, ExceptionGroup) as error:
        failure: BaseException = error
        while isinstance(failure, BaseExceptionGroup):
            failure = failure.exceptions[0]
        if not isinstance(failure, EdgeError):
            raise
        print(f"  {failure}", file=sys.stderr)
        return name, "broken", f"{time.monotonic() - started:.0f}", "-", "-", "-"
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(done.began_unix))
    path = _write(lab, done, directory / f"{stamp}-{name}")
    if not quiet:
        _say(done)
    print(f"  open it in a browser: {path.resolve().as_uri()}", file=sys.stderr)
    print(path)
    took, held = f"{time.monotonic() - started:.0f}", sum(verdict.holds for verdict in done.verdicts)
    word = "holds" if done.passed else "FAILS"
    # Which of how many runs it was, and what others had of the machine meanwhile.
    beside = f"{done.others:.0%}" + (f", run {len(done.discarded) + 1}" if done.discarded else "")
    return name, word, f"{held} of {len(done.verdicts)}", took, beside, str(path)


def _say_live(told: dict[str, Any]) -> None:
    print(orjson.dumps({"live": told}).decode(), flush=True)


def _ask(lab: Lab) -> str:
    try:
        return input(f"  {lab.predict.ask} ({lab.predict.unit or 'your guess'}) ")
    except EOFError:
        return ""


def _say(done: LabRun) -> None:
    if len(done.table[0]) > 1:
        say_table(done.table[0], done.table[1:])
    if done.discarded:
        print(f"run {len(done.discarded) + 1}; discarded, because others used the machine:")
        for one in done.discarded:
            print(f"  others had {one.others:.0%}; failed: {'; '.join(one.failed)}")
    if done.prediction:
        print(f"you predicted {done.prediction}; it was {done.predicted}")
    for verdict in done.verdicts:
        mark = paint("holds", "32") if verdict.holds else paint("FAILS", "31")
        print(f"  {mark}  {verdict.because}")
        if not verdict.holds:
            for name, value in verdict.measured:
                print(f"           {name} = {value}")


def _write(lab: Lab, done: LabRun, directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    plain: Any = msgspec.to_builtins(done)
    (directory / "run.json").write_bytes(orjson.dumps(plain))
    style = Path(edge.lab.report.__file__).with_name("report.css").read_text()
    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(done.began_unix))
    path = directory / "report.html"
    path.write_text(page(lab, done, style, when))
    return path
