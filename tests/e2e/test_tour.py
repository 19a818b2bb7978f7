"""The guided tour against a real edge: every command still shows what the page says it shows."""

from pathlib import Path

import pytest

from edge.cli.tour_text import missing, pieces, tidy
from tests.kit.edges import ROOT, running_edge

pytestmark = pytest.mark.e2e


def test_every_stop_of_the_tour_is_true(tmp_path: Path) -> None:
    """Times and ids change; the words of the story do not."""
    stops = pieces((ROOT / "docs" / "tour.md").read_text())

    # On a busy machine the first feed may have to do without a service; the tour shows a whole one.
    with running_edge(tmp_path / "run", {"EDGE_SERVICES_FEED_DEADLINE_MS": "2000"}) as edge:
        wrong = {}
        for piece in stops:
            done = edge.run(*piece.command, NO_COLOR="1", COLUMNS="116", timeout_s=60)
            if lost := missing(piece, tidy(done.stdout + done.stderr)):
                wrong[" ".join(piece.command)] = (lost, done.stdout[-500:] + done.stderr[-500:])

    assert wrong == {}
