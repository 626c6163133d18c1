"""Media files, valid and invalid ones, each generated once per session."""

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

TYPES = {
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".webm": "video/webm",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".heic": "image/heic",
    ".avif": "image/avif",
}
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Sample:
    """Bytes and their claimed content type."""

    content: bytes = field(repr=False)
    content_type: str

    def claimed(self, content_type: str) -> "Sample":
        """The same bytes with another content type."""
        return Sample(self.content, content_type)


@dataclass
class Samples:
    """Generates media in a folder and caches it."""

    folder: Path
    _made: dict[str, Sample] = field(default_factory=dict)

    def clip(self, seconds: float = 1.0, ending: str = ".mp4", **options: Any) -> Sample:
        """A small clip; options as `sample_clip` takes them."""
        from stories_ingest.testing.samples import sample_clip

        settings = {"width": 180, "height": 320, "fps": 15, **options}
        return self._once(f"clip {seconds} {settings}", ending, lambda path: sample_clip(path, seconds, **settings))

    def photo(self, ending: str = ".jpg", **options: Any) -> Sample:
        """A small photo; options as `sample_photo` takes them."""
        from stories_ingest.testing.samples import sample_photo

        settings = {"width": 180, "height": 320, **options}
        return self._once(f"photo {settings}", ending, lambda path: sample_photo(path, **settings))

    def several_pictures(self) -> Sample:
        """A rotated multi-picture JPEG, as phones write portraits: the picture and its depth map."""

        def make(path: Path) -> None:
            with Image.open(io.BytesIO(self.photo(width=320, height=180, orientation=6).content)) as still:
                still.save(path, "MPO", save_all=True, append_images=[Image.new("RGB", (80, 45))], exif=still.getexif())

        return self._once("several pictures", ".jpg", make)

    def text(self) -> Sample:
        """A text file claimed to be a clip."""
        return Sample(b"just some words\n" * 100, "video/mp4")

    def playlist(self) -> Sample:
        """An HLS playlist claimed to be a clip; its segments would be local files."""
        return Sample(
            b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n", "video/mp4"
        )

    def truncated(self) -> Sample:
        """The first half of a clip in streaming layout."""
        whole = self.clip(2.0, container_options={"movflags": "faststart"})
        return Sample(whole.content[: len(whole.content) // 2], whole.content_type)

    def bomb(self) -> Sample:
        """A PNG of a few kilobytes that claims to be small and unpacks to 100 MB."""
        return Sample(png(64, 64, zlib.compress(bytes(100_000_000), 6)), "image/png")

    def huge(self) -> Sample:
        """A PNG whose header claims 20,000 by 20,000 pixels."""
        return Sample(png(20_000, 20_000, zlib.compress(bytes(1000))), "image/png")

    def _once(self, name: str, ending: str, make: Callable[[Path], object]) -> Sample:
        if (found := self._made.get(name + ending)) is None:
            path = self.folder / f"{len(self._made)}{ending}"
            make(path)
            found = self._made[name + ending] = Sample(path.read_bytes(), TYPES[ending])
        return found


def png(width: int, height: int, packed: bytes) -> bytes:
    """A PNG with such a header, independent of its pixel data."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return PNG + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
