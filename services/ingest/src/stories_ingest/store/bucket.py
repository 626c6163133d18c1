"""The bucket in object storage."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from stories_shared.errors import Unavailable
from stories_shared.s3.objects import Objects, TooLarge

from stories_ingest.domain.errors import MediaRefused, NoSuchStory
from stories_ingest.domain.keys import archive_key, archive_prefix, final_prefix, held_prefix, staging_key
from stories_ingest.domain.media import Media
from stories_ingest.domain.uploads import PresignedPost

MAX_URL_TTL = timedelta(minutes=15)
"""Of a URL for a story's author (contract)."""

ERASED_AT_ONCE = 12
"""Concurrent listings and erasures, of the client's 16 concurrent calls: some stay free for requests."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """The `MediaBucket`."""

    objects: Objects
    erasing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(ERASED_AT_ONCE))

    def form(self, key: str, content_type: str, size: int, until: datetime) -> PresignedPost:
        url, fields = self.objects.presign_post(key, content_type, size, until)
        return PresignedPost(url, fields, until)

    def media_url(self, key: str, expires_at: datetime, now: datetime) -> str | None:
        """A URL of whole seconds, at most a quarter of an hour; None with less than a second left."""
        seconds = int(min(MAX_URL_TTL, expires_at - now).total_seconds())
        if seconds < 1:
            return None
        return self.objects.presign_get(key, seconds, now, cache_control=f"private, max-age={seconds}")

    async def etag(self, key: str) -> str | None:
        found = await self.objects.stat(key)
        return found.etag if found else None

    async def fetch(self, key: str, etag: str, path: Path, most: int) -> None:
        try:
            found = await self.objects.get_file(key, path, most)
        except TooLarge as error:
            raise MediaRefused("too_large") from error
        if found is None or found.etag != etag:
            raise MediaRefused("changed")

    async def read(self, key: str, path: Path, most: int) -> bool:
        return await self.objects.get_file(key, path, most) is not None

    async def put(self, key: str, path: Path, content_type: str) -> None:
        await self.objects.put_file(key, path, content_type)

    async def copy_to_staging(self, key: str, story_id: str) -> None:
        if not await self.objects.copy(key, staging_key(story_id)):
            raise NoSuchStory(story_id)

    def archive_url(self, key: str, now: datetime) -> str:
        """A URL of an archived object for a quarter of an hour."""
        seconds = int(MAX_URL_TTL.total_seconds())
        return self.objects.presign_get(key, seconds, now, cache_control=f"private, max-age={seconds}")

    async def copy_to_archive(self, media: Media, author_id: str, story_id: str) -> bool:
        copies = [self.objects.copy(key, archive_key(key, author_id, story_id)) for key in media.keys]
        return all(await asyncio.gather(*copies))

    async def erase_archived(self, author_id: str, story_id: str) -> None:
        async with self.erasing:
            await self.objects.remove_prefix(archive_prefix(author_id, story_id))

    async def remove(self, *keys: str) -> None:
        if keys:
            await self.objects.remove(*keys)

    async def erase(self, *story_ids: str) -> None:
        """Remove the uploads and the media of these stories: a listing for each, one removal for a thousand keys."""
        found = await asyncio.gather(*(self._keys(story_id) for story_id in story_ids))
        await self.objects.remove(*(key for keys in found for key in keys))

    async def _keys(self, story_id: str) -> list[str]:
        """Where the story's upload may be, and the keys of its media."""
        async with self.erasing:
            return [staging_key(story_id), *[each.key async for each in self.objects.walk(final_prefix(story_id))]]

    async def copy_to_held(self, story_id: str) -> bool:
        final, held = final_prefix(story_id), held_prefix(story_id)
        found = [each.key async for each in self.objects.walk(final)]
        await asyncio.gather(*(self.objects.copy(key, held + key.removeprefix(final)) for key in found))
        return bool(found)

    async def erase_held(self, story_id: str) -> None:
        await self.objects.remove_prefix(held_prefix(story_id))

    async def page(self, prefix: str, after: str, limit: int) -> list[str]:
        return [found.key for found in await self.objects.page(prefix, after, limit)]

    async def abort_uploads(self) -> None:
        """Abort incomplete multipart uploads."""
        await self.objects.abort_uploads()


@dataclass(slots=True)
class BucketCheck:
    """Whether the bucket exists and S3 responds; None where nothing is wrong."""

    objects: Objects
    missing: str | None = None
    no_answer: str | None = None

    async def __call__(self) -> None:
        """Check once."""
        try:
            self.missing = None if await self.objects.ready() else f"missing bucket: {self.objects.bucket}"
            self.no_answer = None
        except Unavailable:
            self.no_answer = "no answer"
