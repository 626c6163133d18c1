"""Limits of the media worker."""

from collections.abc import Sequence
from dataclasses import dataclass


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
    renditions: Sequence[int] = (720, 1080)  # by their shorter side; none: only what MP4 cannot hold is encoded
    max_photo_sides: Sequence[int] = (2160, 1080)  # of a photo's renditions, by the longer side
    cpu_seconds: int = 360  # of all threads
    memory_bytes: int = 3 * 1024 * 1024 * 1024  # address space: 100 MP with transparency and 4K HDR need 2.4 GB
    wall_seconds: float = 120.0

    @property
    def largest(self) -> int:
        """The shorter side of the largest rendition that is encoded."""
        return max(self.renditions, default=1080)

    @property
    def longest_clip_ms(self) -> int:
        """The longest duration that stays one clip."""
        return self.max_clip_ms + self.tolerance_ms
