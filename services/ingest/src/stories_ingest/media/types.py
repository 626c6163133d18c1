"""Types shared by the service and its media worker: limits, output, rejection."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["video", "photo"]
Reason = Literal[
    "not_media", "type_mismatch", "unsupported", "damaged", "too_long", "too_large", "still_images_off", "changed"
]
Container = Literal["mov", "matroska"]

VIDEO_TYPES = frozenset({"video/mp4", "video/quicktime", "video/webm"})
PHOTO_TYPES = frozenset({"image/jpeg", "image/png", "image/webp", "image/heic", "image/heif", "image/avif"})


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


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputPart:
    """One finished part on disk. Width and height are as displayed, after rotation."""

    path: Path
    poster_path: Path
    kind: Kind
    content_type: str
    size: int
    width: int
    height: int
    duration_ms: int | None
    has_audio: bool
    codecs: str | None  # after RFC 6381, None for a photo
    starts_ms: int  # start within the upload, for cutting captions


class MediaRejected(Exception):
    """The upload can never become a story. `reason` is one of those in docs/http.md, `detail` is for the log."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason: Reason = reason
        self.detail = detail
