"""Pictures out of nothing."""

import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.media.picture import AD, POST, PROFILE, STORY, Shape, draw, etag, shape_of


def pixels_of(png: bytes) -> tuple[int, int, list[bytes]]:
    """The plain reader: checks every chunk's CRC, gives width, height and rows with filter bytes."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    chunks: dict[bytes, bytes] = {}
    at = 8
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", png, at + 8 + length)[0] == zlib.crc32(kind + data)
        chunks[kind] = data
        at += 12 + length
    assert list(chunks) == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    width, height, depth, colour, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (depth, colour, rest) == (8, 3, [0, 0, 0])
    assert len(chunks[b"PLTE"]) == 256 * 3
    raw = zlib.decompress(chunks[b"IDAT"])
    rows = [raw[start : start + width + 1] for start in range(0, len(raw), width + 1)]
    return width, height, rows


@pytest.mark.parametrize("name", ["p1", "31_7", "s82_4", "ad3h12"])
@pytest.mark.parametrize("width", [None, 150, 320])
def test_a_picture_is_a_png_of_its_shape(name: str, width: int | None) -> None:
    """Browsers and phones have to be able to show it."""
    shape = shape_of(name, width)
    assert shape is not None

    found = pixels_of(draw(name, shape))

    assert found[:2] == (shape.width, shape.height)
    assert len(found[2]) == shape.height
    assert all(row[0] == 0 and len(row) == shape.width + 1 for row in found[2])


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 10**12 - 1), st.integers(0, 10**9 - 1))
def test_pictures_are_the_same_every_time_and_of_a_photographs_size(number: int, author: int) -> None:
    """A validator made without the picture must not lie; a cache must have something to do."""
    name = f"{number}_{author}"

    data = draw(name, POST)

    assert data == draw(name, POST)
    assert 60_000 < len(data) < 400_000
    assert draw(f"{number}_{author + 1}", POST) != data


def test_the_name_says_what_kind_of_picture_it_is() -> None:
    """Profiles are small, stories stand upright."""
    assert [shape_of(name) for name in ("p1", "31_7", "s82_4", "ad3h12")] == [PROFILE, POST, STORY, AD]
    assert shape_of("31_7", 320) == Shape(320, 320, 1)
    assert shape_of("31_7", 640) == POST


NO_PICTURES = ["", "x", "31", "31_", "_7", "31_7.png", "../31_7", "p", "1_2_3", "9" * 20 + "_1", "31_7\n"]


@pytest.mark.parametrize("name", NO_PICTURES)
def test_other_names_are_no_pictures(name: str) -> None:
    """Whatever a URL may hold."""
    assert shape_of(name) is None


def test_only_some_widths_are_made() -> None:
    """Every width is another entry in every cache."""
    assert shape_of("31_7", 151) is None
    assert shape_of("31_7", 0) is None


def test_the_validator_changes_with_name_and_size() -> None:
    """Strong means: byte for byte."""
    tags = {etag("1_1", POST), etag("1_2", POST), etag("1_1", STORY)}

    assert len(tags) == 3
    assert etag("1_1", POST) == etag("1_1", POST)
    assert all(tag.startswith(b'"') and tag.endswith(b'"') for tag in tags)
