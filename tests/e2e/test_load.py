"""`edge load`: what a person gets who types `make load`."""

import re
from csv import DictReader
from pathlib import Path

import pytest

from tests.kit.edges import Edge

pytestmark = pytest.mark.e2e


def test_phones_and_attackers_both_get_what_they_deserve(edge: Edge, tmp_path: Path) -> None:
    """No phone fails, no attacker is let in, and the report is a file one can mail."""
    done = edge.run(
        "load", "--phones", "8", "--attackers", "1", "--shape", "spike", "--time", "12s", "--pace", "2",
        "--report", str(tmp_path), timeout_s=60,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    with (tmp_path / "locust_stats.csv").open() as file:
        counts = {
            row["Name"]: (int(row["Request Count"]), int(row["Failure Count"])) for row in DictReader(file)
        }
    for name in ("/api/v1/accounts/login/", "/api/v1/feed/timeline/", "/media/{id}", "attack: injection"):
        assert counts[name][0] > 0, name
        assert counts[name][1] == 0, name
    assert counts["i.edge.test"][0] >= 9, "each phone asked DNS"
    assert "127.0.1.1" in (tmp_path / "summary.txt").read_text()
    assert "127.0.2.1" in (tmp_path / "summary.txt").read_text(), "Singapore's phones call Singapore"
    assert (tmp_path / "report.html").stat().st_size > 10_000


def test_the_slowest_request_can_be_traced_afterwards(edge: Edge, tmp_path: Path) -> None:
    """The summary names ids, and an id finds the whole path."""
    done = edge.run("load", "--phones", "4", "--time", "6s", "--report", str(tmp_path), timeout_s=60)
    assert done.returncode == 0, done.stdout + done.stderr

    found = re.search(r"ms  \S+ \S+  ([0-9a-f]{32})", (tmp_path / "summary.txt").read_text())

    assert found is not None
    traced = edge.run("trace", "--id", found[1])
    assert traced.returncode == 0, traced.stderr
    assert "l7" in traced.stdout


def test_nonsense_is_refused_before_anything_runs(edge: Edge, tmp_path: Path) -> None:
    """A city that is not on the map, a shape that does not exist."""
    wrong_city = edge.run("load", "--cities", "atlantis", "--report", str(tmp_path), timeout_s=30)
    wrong_shape = edge.run("load", "--shape", "square", "--report", str(tmp_path), timeout_s=30)

    assert wrong_city.returncode != 0
    assert "atlantis" in wrong_city.stderr
    assert wrong_shape.returncode != 0
