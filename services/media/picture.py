"""What does the picture of this name look like?

Real PNG files (RFC 2083) of realistic sizes, made in milliseconds: each row is
one long wave, shifted and lifted (`bytes.translate` does that in C), over which a
little noise from a hash is laid; a palette of 256 smoothly changing colours turns
the waves into light.  The noise is what does not compress and so sets the size
of the file, as a camera's does.

The same name gives the same bytes for ever, so a picture can carry a strong
validator before it has been made.
"""

import hashlib
import math
import re
import struct
import zlib
from dataclasses import dataclass

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MADE_UNIX = 1_767_225_600  # 2026-01-01: when the recipe last changed; part of each validator
DEFLATE_LEVEL = 1  # measured on a post: 6.6 ms for 224 kB; 3 takes 10.7 ms for 206 kB, noise stays
WIDTHS = (150, 320, 640)  # what a phone may ask for instead of the picture's own

_NAME = re.compile(r"p\d{1,9}|s\d{1,12}_\d{1,9}|ad\d{1,3}h\d{1,3}|\d{1,12}_\d{1,9}")
_NOISE = {bits: bytes(value & ((1 << bits) - 1) for value in range(256)) for bits in (1, 2)}
_RAISED = [bytes((value + lift) % 256 for value in range(256)) for lift in range(256)]
_WAVE_LENGTH = 2048
# The grain repeats after this much, which is more than deflate can look back.
_GRAIN_BYTES = 65_521  # a prime: rows of no width line up with it


@dataclass(frozen=True, slots=True)
class Shape:
    """Width and height in pixels, and how many low bits of noise lie over each."""

    width: int
    height: int
    noise_bits: int


PROFILE = Shape(150, 150, 1)
POST = Shape(640, 640, 1)
STORY = Shape(540, 960, 1)
AD = Shape(640, 335, 0)


def shape_of(name: str, width: int | None = None) -> Shape | None:
    """The shape of the picture called `name`, scaled to `width`; None where there is no such picture."""
    if not _NAME.fullmatch(name) or (width is not None and width not in WIDTHS):
        return None
    kinds = {"p": PROFILE, "s": STORY, "a": AD}
    shape = kinds.get(name[0], POST)
    if width is None or width == shape.width:
        return shape
    return Shape(width, shape.height * width // shape.width, shape.noise_bits)


def etag(name: str, shape: Shape) -> bytes:
    """A strong validator, known without making the picture."""
    text = f"{MADE_UNIX}/{name}/{shape.width}x{shape.height}"
    return b'"' + hashlib.blake2b(text.encode(), digest_size=9).hexdigest().encode() + b'"'


def draw(name: str, shape: Shape) -> bytes:
    """The picture as a PNG file."""
    dice = hashlib.blake2b(name.encode(), digest_size=32).digest()
    header = struct.pack(">IIBBBBB", shape.width, shape.height, 8, 3, 0, 0, 0)  # 8 bits, palette
    return b"".join(
        (
            SIGNATURE,
            _chunk(b"IHDR", header),
            _chunk(b"PLTE", _palette(dice)),
            _chunk(b"IDAT", zlib.compress(_rows(dice, shape), DEFLATE_LEVEL)),
            _chunk(b"IEND", b""),
        )
    )


def _rows(dice: bytes, shape: Shape) -> bytes:
    wave = _wave(dice)
    width, size = shape.width, (shape.width + 1) * shape.height
    slope, swing, pace = 1 + dice[8] % 3, 20 + dice[9] % 60, 2 * math.pi * (1 + dice[10] % 4) / shape.height
    rows = bytearray()
    for y in range(shape.height):
        start = (y * slope + int(swing * math.sin(y * pace))) % (_WAVE_LENGTH - width)
        lift = int(48 * math.sin(y * pace / 2 + dice[11])) % 256
        rows.append(0)  # filter type none
        rows += wave[start : start + width].translate(_RAISED[lift])
    if shape.noise_bits:
        # One XOR over the whole picture as one number.  The filter bytes in front of
        # the rows have to stay zero, so the noise is zero there too.
        tile = hashlib.shake_128(dice).digest(_GRAIN_BYTES).translate(_NOISE[shape.noise_bits])
        grain = bytearray((tile * (size // _GRAIN_BYTES + 1))[:size])
        grain[:: width + 1] = bytes(shape.height)
        return (int.from_bytes(rows) ^ int.from_bytes(grain)).to_bytes(size)
    return bytes(rows)


def _wave(dice: bytes) -> bytes:
    a, b, c = (1 + value % 5 for value in dice[:3])
    p, q = dice[3] / 40, dice[4] / 40
    turn = 2 * math.pi / _WAVE_LENGTH

    def height(x: int) -> float:
        coarse, middle = math.sin(c * x * turn), math.sin(a * 3 * x * turn + p)
        return 128 + 30 * coarse + 52 * middle + 42 * math.sin(b * 7 * x * turn + q)

    return bytes(int(height(x)) for x in range(_WAVE_LENGTH))


def _palette(dice: bytes) -> bytes:
    tones = [(dice[16 + n] / 255 * 2 * math.pi, 1 + dice[20 + n] % 2) for n in range(3)]
    return bytes(
        int(140 + 80 * math.sin(value / 256 * 2 * math.pi * turns + phase))
        for value in range(256)
        for phase, turns in tones
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
