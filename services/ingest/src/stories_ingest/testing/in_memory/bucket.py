"""An in-memory bucket with the same contract as the one of the object store."""

# ruff: noqa: ASYNC240  (small files on a test machine)

import asyncio
import heapq
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from stories_shared.errors import Unavailable

from stories_ingest.domain.errors import MediaRefused, NoSuchStory
from stories_ingest.domain.keys import (
    FINAL,
    HELD,
    archive_key,
    archive_prefix,
    final_prefix,
    held_prefix,
    staging_key,
)
from stories_ingest.domain.media import Media
from stories_ingest.domain.uploads import PresignedPost


@dataclass(slots=True)
class MemoryBucket:
    """A bucket: keys with bytes. While `down`, every call raises Unavailable.

    The key `undeletable` cannot be removed. `max_concurrent` is the maximum number of concurrent writes or erasures.
    """

    objects: dict[str, bytes] = field(default_factory=dict)
    down: bool = False
    undeletable: str | None = None
    concurrent: int = 0
    max_concurrent: int = 0

    def form(self, key: str, content_type: str, size: int, until: datetime) -> PresignedPost:
        """A form without a signature."""
        return PresignedPost("http://bucket", {"key": key, "Content-Type": content_type, "size": str(size)}, until)

    def upload(self, story_id: str, data: bytes = b"media") -> None:
        """Upload as a client does with the form."""
        self.objects[staging_key(story_id)] = data

    async def etag(self, key: str) -> str | None:
        """The ETag is the content."""
        self._answer()
        return self.objects[key].decode() if key in self.objects else None

    async def fetch(self, key: str, etag: str, path: Path, most: int) -> None:
        self._answer()
        if self.objects.get(key) != etag.encode():
            raise MediaRefused("changed")
        path.write_bytes(self.objects[key][:most])

    async def read(self, key: str, path: Path, most: int) -> bool:
        self._answer()
        if key in self.objects:
            path.write_bytes(self.objects[key][:most])
        return key in self.objects

    async def copy_to_staging(self, key: str, story_id: str) -> None:
        self._answer()
        if key not in self.objects:
            raise NoSuchStory(story_id)
        self.objects[staging_key(story_id)] = self.objects[key]

    async def put(self, key: str, path: Path, content_type: str) -> None:
        self._answer()
        with self._counted():
            await asyncio.sleep(0)
            self.objects[key] = path.read_bytes() + content_type.encode()

    async def remove(self, *keys: str) -> None:
        self._answer()
        if self.undeletable in keys:
            raise Unavailable("s3")
        for key in keys:
            self.objects.pop(key, None)

    async def erase(self, *story_ids: str) -> None:
        with self._counted():
            await asyncio.sleep(0)
            for story_id in story_ids:
                of_story = [key for key in self.objects if key.startswith(final_prefix(story_id))]
                await self.remove(staging_key(story_id), *of_story)

    async def copy_to_held(self, story_id: str) -> bool:
        self._answer()
        media = {key: data for key, data in self.objects.items() if key.startswith(final_prefix(story_id))}
        self.objects |= {key.replace(FINAL, HELD, 1): data for key, data in media.items()}
        return bool(media)

    async def erase_held(self, story_id: str) -> None:
        await self.remove(*[key for key in self.objects if key.startswith(held_prefix(story_id))])

    async def copy_to_archive(self, media: Media, author_id: str, story_id: str) -> bool:
        self._answer()
        for key in media.keys:
            if key not in self.objects:
                return False
            self.objects[archive_key(key, author_id, story_id)] = self.objects[key]
        return True

    async def erase_archived(self, author_id: str, story_id: str) -> None:
        prefix = archive_prefix(author_id, story_id)
        await self.remove(*[key for key in self.objects if key.startswith(prefix)])

    async def page(self, prefix: str, after: str, limit: int) -> list[str]:
        self._answer()
        return heapq.nsmallest(limit, (key for key in self.objects if key.startswith(prefix) and key > after))

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self.concurrent += 1
        self.max_concurrent = max(self.max_concurrent, self.concurrent)
        try:
            yield
        finally:
            self.concurrent -= 1

    def _answer(self) -> None:
        if self.down:
            raise Unavailable("s3")


@dataclass(slots=True)
class MemoryPosition:
    """The position of a sweep; while `taken_over`, another replica holds its lease."""

    position: str = ""
    advances: int = 0
    taken_over: bool = False

    async def load(self) -> str:
        return self.position

    async def advance(self, position: str) -> bool:
        if self.taken_over:
            return False
        self.position, self.advances = position, self.advances + 1
        return True
