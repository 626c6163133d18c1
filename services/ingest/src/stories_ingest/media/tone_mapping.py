"""Tone mapping of wide-gamut and HDR images to sRGB, by a 3D lookup table.

libswscale can do this too, but takes five seconds per image.
"""

import math
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageFilter

_PQ, _HLG = 16, 18  # transfer characteristics, by their numbers in ITU-T H.273
HDR_TRANSFERS = frozenset({_PQ, _HLG})
_BT2020, _P3 = 9, 12  # colour primaries, the same
_WHITE = 203.0  # cd/m² of paper white (ITU-R BT.2408)
_KNEE = 0.6  # of paper white: brighter values are compressed
_POINTS = 25  # of the lookup table along each axis

Colour = tuple[float, float, float]
# Linear light to BT.709's primaries (ITU-R BT.2087, SMPTE EG 432-1).
_MATRICES: dict[int, tuple[Colour, Colour, Colour]] = {
    _BT2020: ((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187)),
    _P3: ((1.2249, -0.2247, 0.0), (-0.0420, 1.0419, 0.0), (-0.0197, -0.0786, 1.0979)),
}


def to_srgb(image: Image.Image, transfer: int, primaries: int) -> Image.Image:
    """Convert an RGB image with this `transfer` and `primaries` (ITU-T H.273) to sRGB; unchanged for other codes."""
    table = lookup_table(transfer, primaries)
    return image if table is None else image.filter(table)


def write_cube(table: ImageFilter.Color3DLUT, path: Path) -> None:
    """Write the table in the format that the filter `lut3d` of libavfilter reads; red varies fastest in both."""
    levels = iter(table.table)
    rows = (f"{red:.6f} {green:.6f} {blue:.6f}" for red, green, blue in zip(levels, levels, levels, strict=True))
    path.write_text("\n".join([f"LUT_3D_SIZE {_POINTS}", *rows, ""]))


def lookup_table(transfer: int, primaries: int) -> ImageFilter.Color3DLUT | None:
    """The table from this `transfer` and `primaries` to sRGB, None where the colours need no conversion."""
    if transfer not in HDR_TRANSFERS and primaries not in _MATRICES:
        return None
    to_linear = {_PQ: _from_pq, _HLG: _from_hlg}.get(transfer, _from_srgb)

    def tone_map(r: float, g: float, b: float) -> Colour:
        red, green, blue = to_linear((r, g, b))
        if transfer in HDR_TRANSFERS:
            red, green, blue = _compressed((red, green, blue))
        rows = _MATRICES.get(primaries)
        if rows is not None:
            red, green, blue = (row[0] * red + row[1] * green + row[2] * blue for row in rows)
        return linear_to_srgb(red), linear_to_srgb(green), linear_to_srgb(blue)

    return ImageFilter.Color3DLUT.generate(_POINTS, tone_map)


def _compressed(colour: Colour) -> Colour:
    """Compress highlights above the knee below white, keeping the hue."""
    top = max(colour)
    if top <= _KNEE:
        return colour
    room = 1 - _KNEE
    by = (_KNEE + room * (1 - math.exp(-(top - _KNEE) / room))) / top
    return colour[0] * by, colour[1] * by, colour[2] * by


def _from_pq(colour: Colour) -> Colour:
    """SMPTE ST 2084, relative to paper white."""

    def to_linear(signal: float) -> float:
        powered = signal ** (1 / 78.84375)
        share = max(0.0, powered - 0.8359375) / (18.8515625 - 18.6875 * powered)
        return float(share ** (1 / 0.1593017578125)) * 10_000 / _WHITE

    return _per_channel(to_linear, colour)


def _from_hlg(colour: Colour) -> Colour:
    """ITU-R BT.2100 for a display of 1,000 cd/m², relative to paper white."""

    def scene(signal: float) -> float:
        return signal**2 / 3 if signal <= 0.5 else (math.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12

    red, green, blue = _per_channel(scene, colour)
    gain = (0.2627 * red + 0.6780 * green + 0.0593 * blue) ** 0.2 * 1000 / _WHITE
    return red * gain, green * gain, blue * gain


def _from_srgb(colour: Colour) -> Colour:
    return _per_channel(srgb_to_linear, colour)


def srgb_to_linear(signal: float) -> float:
    """The light of a signal, both 0 to 1 (IEC 61966-2-1)."""
    return signal / 12.92 if signal <= 0.04045 else float(((signal + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(light: float) -> float:
    """The signal of a light, clipped to 0 to 1."""
    light = min(1.0, max(0.0, light))
    return light * 12.92 if light <= 0.0031308 else float(1.055 * light ** (1 / 2.4)) - 0.055


def _per_channel(change: Callable[[float], float], colour: Colour) -> Colour:
    return change(colour[0]), change(colour[1]), change(colour[2])
