"""What media work needs around it: jobs to claim, a bucket, a maker, a folder."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from stories_ingest.domain.story import Story


class MediaPart(Protocol):
    """One part of what the media work made of an upload."""

    @property
    def path(self) -> Path:
        """The finished file."""

    @property
    def poster_path(self) -> Path:
        """Its poster, a JPEG."""

    @property
    def kind(self) -> str:
        """`video` or `photo`."""

    @property
    def content_type(self) -> str:
        """What `path` holds."""

    @property
    def size(self) -> int:
        """Bytes of `path`."""

    @property
    def width(self) -> int:
        """Pixels as displayed."""

    @property
    def height(self) -> int:
        """Pixels as displayed."""

    @property
    def duration_ms(self) -> int | None:
        """None for a photo."""

    @property
    def has_audio(self) -> bool:
        """Whether there is sound."""

    @property
    def codecs(self) -> str | None:
        """After RFC 6381; None for a photo."""

    @property
    def starts_ms(self) -> int:
        """Where it begins in what was uploaded."""


class MediaQueue(Protocol):
    """Published stories that wait for a worker, or for a new one."""

    async def claim(self, worker: str, now: datetime, until: datetime) -> Story | None:
        """The job that has waited longest, leased to this worker; None when nothing waits."""

    async def renew(self, story_id: str, worker: str, until: datetime, progress: float, parts: Sequence[str]) -> bool:
        """Go on holding the job; False when it is not this worker's any more."""

    async def hand_back(self, story_id: str, worker: str, until: datetime, *, counted: bool) -> None:
        """Let another try begin at `until`; uncounted where the failure was the world's or we are stopping."""


class MediaBucket(Protocol):
    """Uploads in, final keys out."""

    async def fetch(self, key: str, etag: str, path: Path, most: int) -> None:
        """Download what was published. Raises MediaRefused("changed") when it is not there as it was."""

    async def put(self, key: str, path: Path, content_type: str) -> None:
        """Write one object, whole or not at all."""

    async def remove(self, *keys: str) -> None:
        """Remove objects; what is not there is not missed."""


class Transcoder(Protocol):
    """Turns an upload into stories' media. Raises MediaRefused, MachineFault, WorkerLost."""

    async def __call__(
        self, source: Path, claimed: str, split: bool, into: Path, progress: Callable[[float], None]
    ) -> Sequence[MediaPart]:
        """The finished parts, in order, written below `into`."""


class ScratchFolder(Protocol):
    """Gives a job a folder on disk that is removed afterwards."""

    def __call__(self) -> AbstractAsyncContextManager[Path]:
        """The folder, while the context lasts."""


CaptionSplitter = Callable[[str, int, int], str | None]
"""The part of a WebVTT text between two times in milliseconds."""
