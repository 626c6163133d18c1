"""Posters and their previews: a BlurHash and the average colour.

Does not import libav, so that photo jobs start faster.
"""

import math
from itertools import product
from pathlib import Path

from PIL import Image

from stories_ingest.domain.media import Preview
from stories_ingest.media.tone_mapping import Colour, linear_to_srgb, srgb_to_linear

POSTER_SIDE = 1080
_QUALITY = 85
_SIDE = 32  # a BlurHash has a handful of frequencies: more pixels change nothing
_MORE, _FEWER = 4, 3  # components along the longer and the shorter side
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"


def save_poster(image: Image.Image, path: Path) -> Preview:
    """Write a JPEG of at most `POSTER_SIDE` on its longer side, without any metadata; return its preview."""
    image.thumbnail((POSTER_SIDE, POSTER_SIDE), Image.Resampling.LANCZOS)
    image.save(path, "JPEG", quality=_QUALITY, progressive=True, optimize=True)
    return preview_of(image)


def preview_of(image: Image.Image) -> Preview:
    """The preview of an sRGB image. Source: the algorithm of github.com/woltapp/blurhash."""
    wide = image.width >= image.height
    columns, rows = (_MORE, _FEWER) if wide else (_FEWER, _MORE)
    pixels = _linear_pixels(image.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BOX))
    factors = [_factor(pixels, x, y) for y, x in product(range(rows), range(columns))]
    average, *others = factors
    largest = max(abs(level) for colour in others for level in colour)
    quantised = max(0, min(82, math.floor(largest * 166 - 0.5)))
    colour = [int(linear_to_srgb(level) * 255 + 0.5) for level in average]
    hash_parts = [
        _base83(columns - 1 + (rows - 1) * 9, 1),
        _base83(quantised, 1),
        _base83(colour[0] << 16 | colour[1] << 8 | colour[2], 4),
        *(_base83(_quantised(factor, (quantised + 1) / 166), 2) for factor in others),
    ]
    return Preview(blurhash="".join(hash_parts), color="#{:02x}{:02x}{:02x}".format(*colour))


def _linear_pixels(image: Image.Image) -> list[Colour]:
    linear = [srgb_to_linear(level / 255) for level in range(256)]
    levels = image.tobytes()
    return [(linear[levels[at]], linear[levels[at + 1]], linear[levels[at + 2]]) for at in range(0, len(levels), 3)]


def _factor(pixels: list[Colour], x: int, y: int) -> Colour:
    """One coefficient of the cosine transform."""
    along = [math.cos(math.pi * x * i / _SIDE) for i in range(_SIDE)]
    down = [math.cos(math.pi * y * i / _SIDE) for i in range(_SIDE)]
    red = green = blue = 0.0
    for (row, column), (r, g, b) in zip(product(down, along), pixels, strict=True):
        basis = row * column
        red, green, blue = red + basis * r, green + basis * g, blue + basis * b
    scale = (1 if x == 0 and y == 0 else 2) / len(pixels)
    return red * scale, green * scale, blue * scale


def _quantised(factor: Colour, largest: float) -> int:
    digits = [max(0, min(18, math.floor(_signed_root(level / largest) * 9 + 9.5))) for level in factor]
    return (digits[0] * 19 + digits[1]) * 19 + digits[2]


def _signed_root(level: float) -> float:
    return math.copysign(math.sqrt(abs(level)), level)


def _base83(value: int, length: int) -> str:
    return "".join(_DIGITS[value // 83**place % 83] for place in reversed(range(length)))
