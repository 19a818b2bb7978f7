"""A short set of the labs, for real: each starts its own edge, and its expectations hold."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge.lab.plan import parse
from tests.kit.browser import chromium, needs_chromium
from tests.kit.edges import ROOT

pytestmark = pytest.mark.e2e
SHORT = [
    file.stem for file in sorted((ROOT / "labs").glob("*.toml")) if parse(file.read_text(), file.stem).ci
]


def lab(*arguments: str, timeout_s: float = 180.0) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "edge", "lab", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


@pytest.mark.parametrize("name", SHORT)
def test_a_lab_teaches_no_lie(name: str, tmp_path: Path) -> None:
    """What a lab says will happen does happen, on this machine, today."""
    done = lab("run", name, "--quiet", "--out", str(tmp_path))

    assert done.returncode == 0, done.stdout + done.stderr + _verdicts(tmp_path)
    report = Path(done.stdout.strip().splitlines()[-1])
    assert report.stat().st_size < 1_500_000


@needs_chromium
@pytest.mark.tool
def test_a_report_opens_without_asking_anybody(tmp_path: Path) -> None:
    """It is mailed around, and read on a train."""
    lab("run", "one-or-many", "--quiet", "--out", str(tmp_path), "--predict", "<b>42</b>")
    [report] = tmp_path.glob("*/report.html")

    with chromium(tmp_path / "browser") as page:
        page.open(report.as_uri())
        page.wait("document.querySelectorAll('svg.plot').length >= 4")

        assert page.console == []
        assert [url for url in page.requested if url != report.as_uri()] == []
        assert "<b>42</b>" in page.text()


def test_labs_are_listed_and_shown() -> None:
    """What a learner types first."""
    listed = json.loads(lab("list", "--json").stdout)
    shown = lab("show", "slow-server").stdout

    assert len(listed) >= 20
    assert "Slow is not dead" in shown
    assert "Predict:" in shown


def test_a_lab_that_is_none_is_named() -> None:
    """With those that there are."""
    done = lab("run", "no-such-lab")

    assert done.returncode == 2
    assert "slow-server" in done.stderr


def _verdicts(directory: Path) -> str:
    runs = [json.loads(file.read_text()) for file in directory.glob("*/run.json")]
    return "\n".join(
        f"{one['holds']} {one['that']} {one['measured']}" for run in runs for one in run["verdicts"]
    )
