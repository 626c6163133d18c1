"""Limits of the media worker."""

from dataclasses import dataclass
from typing import Literal

Container = Literal["mov", "matroska"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaLimits:
    """Limits of a worker. Sizes in bytes, times in the unit of the name."""

    max_clip_ms: int = 15_000
    tolerance_ms: int = 500  # containers round, encoders pad: a clip this much longer is still one clip
    max_parts: int = 10
    max_bytes: int = 512 * 1024 * 1024
    max_pixels_photo: int = 100_000_000
    max_side: int = 4096  # of a video frame, as coded
    max_fps: int = 240
    still_images: bool = True
    cpu_seconds: int = 600  # encoding 150 s takes about 400 at 1080p60
    memory_bytes: int = 3 * 1024 * 1024 * 1024  # address space: 100 MP with transparency and 4K HDR need 2.4 GB
    wall_seconds: float = 900.0

    @property
    def longest_clip_ms(self) -> int:
        """The longest duration that stays one clip."""
        return self.max_clip_ms + self.tolerance_ms
