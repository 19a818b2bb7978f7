"""Stories over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge.common.http_client import Address
from services.media.picture import shape_of
from services.story.service import serve
from tests.kit.services import ADA, ask, process_of, running


@pytest.fixture
async def story(tmp_path: Path) -> AsyncIterator[Address]:
    async with running(serve, process_of("story", tmp_path)) as address:
        yield address


async def test_the_tray_leads_to_reels_and_they_lead_to_pictures(story: Address) -> None:
    """Every link in an answer has to work."""
    tray = (await ask(story, "/api/v1/feed/reels_tray/?limit=3", ADA)).json()["tray"]
    reel = (await ask(story, tray[0]["items_url"], ADA)).json()

    assert len(tray) == 3
    assert len(reel["items"]) == tray[0]["media_count"]
    for item in reel["items"]:
        url = item["image_versions2"]["candidates"][0]["url"]
        assert shape_of(url.removeprefix("/media/")) is not None


async def test_an_account_without_a_story_has_an_empty_reel_and_nobody_none(story: Address) -> None:
    """200 with nothing in it, or 404."""
    statuses = [(await ask(story, f"/api/v1/story/{owner}/items/", ADA)).status for owner in (1, 0, 10_001)]

    assert statuses == [200, 404, 404]
    assert (await ask(story, "/api/v1/feed/reels_tray/")).status == 401
