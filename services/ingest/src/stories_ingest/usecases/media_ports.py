"""Ports of media jobs: queue, bucket, transcoder, scratch folder."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from stories_ingest.domain.media import MediaPart, Rendition
from stories_ingest.domain.story import Story


class MediaQueue(Protocol):
    """Media jobs of published stories."""

    async def claim(self, worker: str, now: datetime, until: datetime) -> Story | None:
        """The oldest waiting job, leased to this worker; None when the queue is empty."""

    async def renew(self, story_id: str, worker: str, until: datetime, progress: float, parts: Sequence[str]) -> bool:
        """Renew the lease; False when this worker no longer holds it."""

    async def release(self, story_id: str, worker: str, until: datetime, *, counted: bool) -> None:
        """Release the job for a retry at `until`; `counted` is False if the worker stopped or a dependency failed."""


class RenditionQueue(Protocol):
    """Live stories that lack smaller renditions."""

    async def claim(self, worker: str, now: datetime, until: datetime) -> Story | None:
        """The oldest waiting job, leased to this worker; None when the queue is empty."""

    async def renew(self, story_id: str, worker: str, until: datetime) -> bool:
        """Renew the lease; False when this worker no longer holds it."""

    async def release(self, story_id: str, worker: str, until: datetime) -> None:
        """Release the job for a retry at `until`, because a dependency or this machine failed: it is not counted."""


class MediaBucket(Protocol):
    """Reads uploads, writes final keys."""

    async def fetch(self, key: str, etag: str, path: Path, most: int) -> None:
        """Download the published upload. Raises MediaRefused("changed") when its ETag differs or it does not exist."""

    async def read(self, key: str, path: Path, most: int) -> bool:
        """Download an object of at most so many bytes; False when it does not exist."""

    async def put(self, key: str, path: Path, content_type: str) -> None:
        """Write one object atomically."""

    async def remove(self, *keys: str) -> None:
        """Remove objects; missing ones are ignored."""


Transcoder = Callable[[Path, str, bool, Path, Callable[[float], None]], Awaitable[Sequence[MediaPart]]]
"""Transcodes an upload of a claimed type, in parts if it may be split, into a folder, and reports its progress.

The finished parts come in order; the keys of their media are names of files in the folder. Raises MediaRefused,
MachineFault, WorkerCrashed.
"""

Downscaler = Callable[[Path, Path], Awaitable[Sequence[Rendition]]]
"""Makes smaller renditions of a finished clip in a folder; their keys are names of files there.

Raises MediaRefused, MachineFault, WorkerCrashed.
"""

ScratchFolder = Callable[[], AbstractAsyncContextManager[Path]]
"""Creates a temporary folder for a job; it is removed when the context exits."""
