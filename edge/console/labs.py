"""Show the labs, run one, keep what it says while it runs.  [I/O]

A lab runs as `edge lab run`, a process of its own with an edge of its own: what it
does to its edge cannot touch the one that this console watches.  One at a time:
two labs on two cores would measure each other.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import trio

from edge.common.errors import ConfigError, EdgeError
from edge.common.run_files import private_directory
from edge.lab.plan import Lab, parse

LINES_MAX = 300
LIVE_MAX = 400  # two a second: the longest lab of ours, all variants
RUNS_SHOWN = 30


class LabBusy(EdgeError):
    """One lab at a time."""

    blame = "operator"
    status_hint = 409


class Labs:
    """The labs of this checkout, and the one that runs."""

    def __init__(self, root: Path, runs: Path) -> None:
        self._root = root
        self._runs = runs
        self._running = ""
        self._lines: list[str] = []
        self._live: list[dict[str, Any]] = []  # how the running lab goes, to be drawn
        self._verdict = ""
        self._labs = {file.stem: file for file in sorted((root / "labs").glob("*.toml"))}

    def cards(self) -> list[dict[str, Any]]:
        """Every lab's card; a broken file shows its problem instead of hiding."""
        return [self.card(name) for name in self._labs]

    def card(self, name: str) -> dict[str, Any]:
        """One lab's card.  Raises `KeyError`."""
        try:
            lab = parse(self._labs[name].read_text(), name)
        except ConfigError as error:
            return {"name": name, "title": name, "question": str(error), "broken": True}
        return _card(name, lab)

    def state(self) -> dict[str, Any]:
        """What runs, what it said, and the reports that there are, newest first."""
        reports = sorted(self._runs.glob("*/report.html"), reverse=True)[:RUNS_SHOWN]
        return {
            "running": self._running,
            "lines": self._lines,
            "live": self._live,
            "verdict": self._verdict,
            "reports": [file.parent.name for file in reports],
        }

    def report(self, run: str) -> bytes | None:
        """A run's report, None where there is none of that name."""
        for file in self._runs.glob("*/report.html"):
            if file.parent.name == run:
                return file.read_bytes()
        return None

    def begin(self, name: str) -> None:
        """Take the place.  Raises `LabBusy`, or `KeyError` for a lab that is none."""
        if self._running:
            raise LabBusy(f"{self._running} is running; one lab at a time")
        self._labs[name]
        self._running, self._lines, self._live, self._verdict = name, [], [], ""

    async def run(self, prediction: str) -> None:
        """Run what `begin` took the place for."""
        name = self._running
        private_directory(self._runs)
        command = [sys.executable, "-m", "edge", "lab", "run", name, "--live", "--out", str(self._runs)]
        if prediction:
            command += ["--predict", prediction]
        try:
            process = await trio.lowlevel.open_process(
                command,
                cwd=self._root,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            assert process.stdout is not None
            try:
                rest = b""
                async for chunk in process.stdout:
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        self._hear(line)
            finally:
                with trio.CancelScope(shield=True), trio.move_on_after(10):
                    process.terminate()
                    await process.wait()
            self._verdict = "holds" if process.returncode == 0 else "fails"
        finally:
            self._running = ""

    def _hear(self, line: bytes) -> None:
        if line.startswith(b'{"live":'):
            self._live.append(orjson.loads(line)["live"])  # our own program's line
            del self._live[:-LIVE_MAX]
        else:
            self._lines.append(line.decode(errors="replace"))
            del self._lines[:-LINES_MAX]


def _card(name: str, lab: Lab) -> dict[str, Any]:
    return {
        "name": name,
        "title": lab.title,
        "question": lab.question,
        "story": lab.story,
        "watch_for": lab.watch_for,
        "learn": lab.learn,
        "level": lab.level,
        "seconds": lab.seconds(),
        "code": lab.code,
        "predict": {"ask": lab.predict.ask, "unit": lab.predict.unit},
        "variants": [{"name": one.name, "note": one.note} for one in lab.variant],
        "steps": [{"at_s": one.at_s, "text": one.text or f"{one.do} {one.target}"} for one in lab.step],
        "expects": [one.because for one in lab.expect],
    }
