"""Display properties of a video: rotation, pixel aspect ratio, bit depth and colours."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame

_ONE = 1 << 16  # the display matrix is in 16.16 fixed point
Matrix = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DisplayFormat:
    """Display properties of the first frame."""

    width: int
    height: int
    pixels: str  # pixel format, as libav calls it
    matrix: Matrix | None
    aspect: Fraction  # of a pixel
    colours: tuple[int, int, int, int]  # range, primaries, transfer, matrix

    @property
    def is_rotated(self) -> bool:
        """Whether rotation swaps width and height."""
        return self.turns[1] % 2 == 1

    @property
    def turns(self) -> tuple[bool, int]:
        """What the display matrix does: whether it mirrors the frame first, and the quarter turns clockwise."""
        if self.matrix is None:
            return False, 0
        a, b, _, c, d = self.matrix[:5]
        is_mirrored = a * d - b * c < 0
        if is_mirrored:
            a, b = -a, -b
        if abs(b) > abs(a):
            return is_mirrored, 1 if b > 0 else 3
        return is_mirrored, 2 if a < 0 else 0

    @property
    def displayed(self) -> tuple[int, int]:
        """Width and height as displayed: after the pixel aspect ratio and rotation."""
        width, height = max(1, round(self.width * self.aspect)), self.height
        return (height, width) if self.is_rotated else (width, height)


def display_format(frame: VideoFrame, aspect: Fraction | None) -> DisplayFormat:
    """The display properties of a decoded frame; `aspect` is the container's pixel aspect ratio."""
    return DisplayFormat(
        width=frame.width,
        height=frame.height,
        pixels=frame.format.name,
        matrix=_matrix(frame),
        aspect=aspect if aspect is not None and Fraction(1, 8) < aspect < 8 else Fraction(1),
        colours=(int(frame.color_range), int(frame.color_primaries), int(frame.color_trc), int(frame.colorspace)),
    )


def _matrix(frame: VideoFrame) -> Matrix | None:
    side_data: Any = cast("Mapping[SideDataType, Any]", frame.side_data).get(SideDataType.DISPLAYMATRIX)
    if side_data is None:
        return None
    matrix = struct.unpack("=9i", bytes(side_data))
    return None if matrix[:2] == (_ONE, 0) and matrix[3:5] == (0, _ONE) else matrix
