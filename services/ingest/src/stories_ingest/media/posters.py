"""Posters of clips and photos. Does not import libav, so that photo jobs start faster."""

from pathlib import Path

from PIL import Image

from stories_ingest.domain.media import Preview
from stories_ingest.media.previews import preview_of

POSTER_SIDE = 1080
_QUALITY = 85


def save_poster(image: Image.Image, path: Path) -> Preview:
    """Write a JPEG of at most `POSTER_SIDE` on its longer side, without any metadata; return its preview."""
    image.thumbnail((POSTER_SIDE, POSTER_SIDE), Image.Resampling.LANCZOS)
    image.save(path, "JPEG", quality=_QUALITY, progressive=True, optimize=True)
    return preview_of(image)
