"""`/media/{id}` over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from edge.common.http_client import Address
from services.frame import Frame
from services.media.picture import POST, draw
from services.media.service import Media, serve
from tests.kit.services import TRACE, ask, process_of, request, running


@pytest.fixture
async def media(tmp_path: Path) -> AsyncIterator[Address]:
    async with running(serve, process_of("media", tmp_path)) as address:
        yield address


async def test_a_picture_comes_with_what_a_cache_needs(media: Address) -> None:
    """L7 may keep it for a day and ask again by tag."""
    reply = await ask(media, "/media/31_7")

    assert reply.status == 200
    assert reply.body == draw("31_7", POST)
    assert reply.header(b"content-type") == b"image/png"
    assert reply.header(b"cache-control") == b"public, max-age=86400"
    assert reply.header(b"last-modified") == b"Thu, 01 Jan 2026 00:00:00 GMT"
    tag = reply.header(b"etag") or b""
    again = await ask(media, "/media/31_7", (b"if-none-match", tag))
    assert (again.status, again.body, again.header(b"etag")) == (304, b"", tag)
    assert again.header(b"content-length") is None


async def test_head_and_range_tell_of_the_same_picture(media: Address) -> None:
    """Resumed downloads fit together."""
    whole = await ask(media, "/media/p1")
    head = await ask(media, "/media/p1", method="HEAD")
    first = await ask(media, "/media/p1", (b"range", b"bytes=0-99"))
    rest = await ask(media, "/media/p1", (b"range", b"bytes=100-"))
    outside = await ask(media, "/media/p1", (b"range", b"bytes=9999999-"))

    assert (head.status, head.body) == (200, b"")
    assert head.header(b"content-length") == b"%d" % len(whole.body)
    assert (first.status, rest.status) == (206, 206)
    assert first.body + rest.body == whole.body
    assert first.header(b"content-range") == b"bytes 0-99/%d" % len(whole.body)
    assert outside.status == 416
    assert outside.header(b"content-range") == b"bytes */%d" % len(whole.body)


@pytest.mark.parametrize("target", ["/media/nothing", "/media/31_7?w=151", "/media/31_7?w=x", "/media/"])
async def test_what_is_no_picture_is_404(media: Address, target: str) -> None:
    """Also a width that nobody offers."""
    assert (await ask(media, target)).status == 404


async def test_many_who_ask_at_once_wait_for_one_painting(tmp_path: Path) -> None:
    """A thundering herd costs one picture."""
    process = process_of("media", tmp_path)
    media = Media(Frame(process))
    answers: list[object] = []

    async def one() -> None:
        asked = request("GET", "/media/5_5")
        asked.parameters = {"id": "5_5"}
        answers.append((await media.picture(asked)).body)

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(one)

    painted = process.spans.find(TRACE.trace_id)
    assert len(answers) == 20
    assert set(answers) == {draw("5_5", POST)}
    assert [span.name for span in painted] == ["media.paint"]
