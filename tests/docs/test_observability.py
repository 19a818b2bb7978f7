"""The dashboard and the rules speak of counters that exist."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from edge.l7.forward import _DETAILS

ROOT = Path(__file__).parents[2]
HERE = ROOT / "docs" / "observability"
_NAME = re.compile(r"\b((?:edge|http)_[a-z0-9_]+)")
_SUFFIXES = ("_bucket", "_sum", "_count")


def declared() -> set[str]:
    """Every name that a process of ours gives to a counter."""
    sources = "\n".join(
        path.read_text() for home in ("edge", "services") for path in (ROOT / home).rglob("*.py")
    )
    return set(re.findall(r'"((?:edge|http)_[a-z0-9_]+)"', sources))


def plain(name: str) -> str:
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    return name


def test_every_panel_of_the_dashboard_asks_for_what_exists() -> None:
    """A renamed counter would leave a panel empty, and nobody would notice for months."""
    dashboard = json.loads((HERE / "grafana-dashboard.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]

    asked = {plain(name) for expression in expressions for name in _NAME.findall(expression)}

    assert len(expressions) > 15
    assert asked - declared() == set()


def test_every_rule_asks_for_what_exists() -> None:
    """The same, for what wakes people up."""
    rules = yaml.safe_load((HERE / "rules.yml").read_text())
    expressions = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]

    asked = {plain(name) for expression in expressions for name in _NAME.findall(expression)}

    assert asked - declared() == set()


@pytest.mark.tool
@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (apt: prometheus)")
def test_promtool_accepts_the_configuration() -> None:
    """With its rules."""
    done = subprocess.run(
        ["promtool", "check", "config", str(HERE / "prometheus.yml")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_flag_of_the_access_log_is_explained() -> None:
    """Somebody reads them at three in the morning."""
    page = (HERE / "README.md").read_text().partition("## The access log")[2]
    sources = "\n".join(path.read_text() for path in (ROOT / "edge" / "l7").rglob("*.py"))

    spoken = set(re.findall(r'reason="([A-Z]{2,8})"', sources)) | set(_DETAILS) | {"DC", "LOST"}

    assert {flag for flag in spoken if f"`{flag}`" not in page} == set()
    assert set(re.findall(r"`([A-Z]{2,8})`", page)) - spoken == set()
