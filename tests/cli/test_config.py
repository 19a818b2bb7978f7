"""`edge config`, as a person types it."""

import os
from pathlib import Path

import pytest

from edge.cli.app import main
from edge.cli.config import settings
from edge.common.config_file import load_with_origins

DEFAULT = Path(__file__).parents[2] / "edge.toml"


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    # Whoever runs the tests may have an edge of their own configured in this shell.
    for variable in [name for name in os.environ if name.startswith("EDGE_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setattr("sys.argv", ["edge", *words])
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_a_bad_file_exits_2_with_every_problem_on_stderr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """2 is "you said something wrong", and stdout stays clean for scripts."""
    bad = tmp_path / "edge.toml"
    bad.write_text('https-port = "x"\nnothing = 1\n')

    status = run(monkeypatch, "config", "check", str(bad))

    out, err = capsys.readouterr()
    assert (status, out) == (2, "")
    assert [line.split(": ")[0] for line in err.splitlines()] == ["edge.toml:1", "edge.toml:1", "edge.toml:2"]


def test_a_good_file_exits_0(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """And names the revision that its processes will report."""
    assert run(monkeypatch, "config", "check", str(DEFAULT)) == 0
    assert "is good: revision " in capsys.readouterr().out


def test_every_value_says_where_it_came_from() -> None:
    """File, environment, default: in this order people look."""
    found = {
        key: (value, origin)
        for key, value, origin in settings(load_with_origins(DEFAULT, {"EDGE_DNS_TTL_S": "5"}))
    }

    assert found["dns.ttl-s"] == ("5", "EDGE_DNS_TTL_S")
    assert found["l4.credit-max"] == ("1024", "default")
    assert found["pop[mumbai].enabled"] == ("true", "default")
    assert found["pop[mumbai].place.north"][1] == found["pop[mumbai].place.east"][1] != "default"
    assert found["pop[mumbai].address"][1].startswith("edge.toml:")
