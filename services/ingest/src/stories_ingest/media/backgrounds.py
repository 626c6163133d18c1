"""Draw the picture of a text story: one colour, or a gradient of two."""

import json
import math
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from stories_ingest.domain.media import MediaPart
from stories_ingest.media.limits import MediaLimits
from stories_ingest.media.photos import save_photo

WIDTH, HEIGHT = 1080, 1920


def make_background(source: Path, bounds: MediaLimits, into: Path, progress: Callable[[float], None]) -> MediaPart:
    """Draw the background that the JSON file describes, and write it as a photo."""
    described = json.loads(source.read_text())
    return save_photo(draw(described["colors"], described["angle"]), bounds, into, progress)


def draw(colors: list[str], angle: float) -> Image.Image:
    """The picture. The angle is that of CSS: degrees clockwise, 0 goes to the top and 90 to the right."""
    first = Image.new("RGB", (WIDTH, HEIGHT), colors[0])
    if len(colors) == 1:
        return first
    right, down = math.sin(math.radians(angle)), -math.cos(math.radians(angle))
    length = abs(WIDTH * right) + abs(HEIGHT * down)
    # The share of the second colour at a pixel is its row in a ramp of 256 rows from black to white.
    across, along = 254 * right / length, 254 * down / length
    begin = 127.5 - (across * WIDTH + along * HEIGHT) / 2
    ramp = Image.linear_gradient("L")
    share = ramp.transform(
        (WIDTH, HEIGHT), Image.Transform.AFFINE, (0, 0, 128, across, along, begin), Image.Resampling.BILINEAR
    )
    return Image.composite(Image.new("RGB", (WIDTH, HEIGHT), colors[1]), first, share)
