"""Bodies that say they are pictures: streamed if they begin like one, read by the firewall if not."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from edge.common.config import Config, WafConfig
from edge.l7.http1.body import ChunkedBody
from tests.kit.l7_edge import Edge, Script, running

PICTURE = b"\x89PNG\r\n\x1a\n" + b"<script>alert(1)</script>" * 40_000  # pixels may look like anything
LIE = b'{"q": "1\\u0027 or \\u00271\\u0027=\\u00271"}'


def blocking(config: Config) -> Config:
    (route,) = config.route
    return replace(config, waf=WafConfig(mode="block"), route=(replace(route, auth="public"),))


async def post(edge: Edge, body: bytes, piece_bytes: int, *, chunked: bool) -> int:
    phone = await edge.phone()
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
    await phone.send(
        b"POST / HTTP/1.1\r\nHost: i.edge.test\r\nContent-Type: image/png\r\n%b\r\n\r\n" % framing
    )
    for at in range(0, len(body), piece_bytes):
        piece = body[at : at + piece_bytes]
        await phone.send(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
    if chunked:
        await phone.send(b"0\r\n\r\n")
    return (await phone.reply("POST")).status


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_picture_goes_through_whatever_its_size(tmp_path: Path, chunked: bool) -> None:
    """It is larger than what is inspected of a form."""
    service = Script()
    async with running(tmp_path, service, blocking) as edge:
        status = await post(edge, PICTURE, 50_000, chunked=chunked)

    (body,) = service.bodies
    assert (status, b"".join(ChunkedBody().feed(body)) if chunked else body) == (200, PICTURE)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("padding", [b"", b" " * 2000])
async def test_what_only_says_it_is_a_picture_is_read(tmp_path: Path, padding: bytes, chunked: bool) -> None:
    """In whatever pieces it comes; and nothing of it reaches the service."""
    service = Script()
    async with running(tmp_path, service, blocking) as edge:
        status = await post(edge, padding + LIE, 7, chunked=chunked)

    assert (status, service.heads) == (403, [])
