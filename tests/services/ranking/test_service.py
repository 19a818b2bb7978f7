"""Ranking over HTTP."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from services.ranking.service import CANDIDATES_MAX, serve
from tests.kit.services import ADA, ask, process_of, running

ROWS: list[Any] = [["1_2", 2, 90_000, 5], ["1_3", 3, 60, 5], ["1_4", 4, 40_000, 5000]]


async def ranked(run_dir: Path, rows: Any, *variant: tuple[bytes, bytes]) -> Any:
    async with running(serve, process_of("ranking", run_dir)) as address:
        body = orjson.dumps({"candidates": rows})
        return await ask(address, "/internal/rank/", ADA, *variant, method="POST", body=body)


async def test_candidates_come_back_in_order_with_reasons(tmp_path: Path) -> None:
    """The feed shows the reasons to whoever asks why."""
    value = (await ranked(tmp_path, ROWS)).json()

    scores = [one["score"] for one in value["ranked"]]
    assert value["model"] == "linear-1/balanced"
    assert scores == sorted(scores, reverse=True)
    assert sorted(one["id"] for one in value["ranked"]) == ["1_2", "1_3", "1_4"]
    assert set(value["ranked"][0]["why"]) == {"recency", "affinity", "popularity", "repeat"}


async def test_an_experiment_chooses_the_weights(tmp_path: Path) -> None:
    """`fresh` puts the newest first; an unknown variant is the default."""
    fresh = (await ranked(tmp_path, ROWS, (b"edge-experiment", b"ranking=fresh"))).json()
    unknown = (await ranked(tmp_path, ROWS, (b"edge-experiment", b"ranking=no-such"))).json()

    assert fresh["model"] == "linear-1/fresh"
    assert fresh["ranked"][0]["id"] == "1_3"
    assert unknown["model"] == "linear-1/balanced"


@pytest.mark.parametrize("rows", [None, "x", [["1_2"]], [["1_2", "x", 1, 1]], ROWS * CANDIDATES_MAX])
async def test_bad_candidates_are_refused(tmp_path: Path, rows: Any) -> None:
    """A bug in feed is said to feed."""
    assert (await ranked(tmp_path, rows)).status == 400
