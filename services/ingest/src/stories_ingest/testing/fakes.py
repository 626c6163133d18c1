"""In-memory fakes of the bucket, publisher, relay and transcoder."""

# ruff: noqa: ASYNC240, ARG002  (small files on a test machine; ports have parameters that fakes do not need)

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from stories_shared.errors import Unavailable
from stories_shared.events import Event
from stories_shared.rollout import Policy

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
from stories_ingest.domain.media import Media, MediaPart
from stories_ingest.domain.uploads import PresignedPost
from stories_ingest.testing.builders import media
from stories_ingest.testing.in_memory import MemoryStories


@dataclass(slots=True)
class FixedPolicy:
    """A rollout policy without a file."""

    policy: Policy = field(default_factory=Policy)


@dataclass(slots=True)
class MemorySignals:
    """What may pause `create`, as a test sets it."""

    ended: int = 0
    failed: int = 0
    overdue: datetime | None = None
    cause: datetime | None = None

    async def media_jobs(self, since: datetime) -> tuple[int, int]:
        """The counts."""
        return self.ended, self.failed

    async def oldest_overdue(self, now: datetime) -> datetime | None:
        """The earliest end that was not handled."""
        return self.overdue

    async def record_cause(self, at: datetime) -> None:
        """Record a cause."""
        self.cause = at

    async def last_cause(self) -> datetime | None:
        """The last cause."""
        return self.cause


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
        """Download the published upload."""
        self._answer()
        if self.objects.get(key) != etag.encode():
            raise MediaRefused("changed")
        path.write_bytes(self.objects[key][:most])

    async def read(self, key: str, path: Path, most: int) -> bool:
        """Download an object."""
        self._answer()
        if key in self.objects:
            path.write_bytes(self.objects[key][:most])
        return key in self.objects

    async def copy_to_staging(self, key: str, story_id: str) -> None:
        """Copy media to the staging key of a story."""
        self._answer()
        if key not in self.objects:
            raise NoSuchStory(story_id)
        self.objects[staging_key(story_id)] = self.objects[key]

    async def put(self, key: str, path: Path, content_type: str) -> None:
        """Write one object."""
        self._answer()
        with self._counted():
            await asyncio.sleep(0)
            self.objects[key] = path.read_bytes() + content_type.encode()

    async def remove(self, *keys: str) -> None:
        """Remove objects."""
        self._answer()
        if self.undeletable in keys:
            raise Unavailable("s3")
        for key in keys:
            self.objects.pop(key, None)

    async def erase(self, *story_ids: str) -> None:
        """Remove all objects of these stories."""
        with self._counted():
            await asyncio.sleep(0)
            for story_id in story_ids:
                of_story = [key for key in self.objects if key.startswith(final_prefix(story_id))]
                await self.remove(staging_key(story_id), *of_story)

    async def copy_to_held(self, story_id: str) -> bool:
        """Copy the media to held keys."""
        self._answer()
        media = {key: data for key, data in self.objects.items() if key.startswith(final_prefix(story_id))}
        self.objects |= {key.replace(FINAL, HELD, 1): data for key, data in media.items()}
        return bool(media)

    async def erase_held(self, story_id: str) -> None:
        """Remove the held objects of a story."""
        await self.remove(*[key for key in self.objects if key.startswith(held_prefix(story_id))])

    async def copy_to_archive(self, media: Media, author_id: str, story_id: str) -> bool:
        """Copy all objects of a story."""
        self._answer()
        for key in media.keys:
            if key not in self.objects:
                return False
            self.objects[archive_key(key, author_id, story_id)] = self.objects[key]
        return True

    async def erase_archived(self, author_id: str, story_id: str) -> None:
        """Remove the objects of an archived story."""
        prefix = archive_prefix(author_id, story_id)
        await self.remove(*[key for key in self.objects if key.startswith(prefix)])

    async def page(self, prefix: str, after: str, limit: int) -> list[str]:
        """The first keys with this prefix after `after`."""
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
        """The saved position."""
        return self.position

    async def advance(self, position: str) -> bool:
        """Save the position."""
        if self.taken_over:
            return False
        self.position, self.advances = position, self.advances + 1
        return True


@dataclass(slots=True)
class RecordingPublisher:
    """Records events and tombstones, in order. While `down`, every call raises Unavailable."""

    published: list[Event] = field(default_factory=list)
    tombstones: list[str] = field(default_factory=list)
    down: bool = False

    async def publish(self, event: Event) -> None:
        """Record the event."""
        if self.down:
            raise Unavailable("kafka")
        self.published.append(event)

    async def publish_all(self, events: Collection[Event]) -> None:
        """Record the events."""
        for event in events:
            await self.publish(event)

    async def publish_tombstones(self, event: type[Event], keys: Collection[str]) -> None:
        """Record the tombstones."""
        if self.down:
            raise Unavailable("kafka")
        self.tombstones += [f"{event.topic}/{key}" for key in keys]


@dataclass(slots=True)
class MemoryRelay:
    """Records the ids of published documents."""

    stories: MemoryStories
    published: list[str] = field(default_factory=list)
    down: bool = False

    def wake(self) -> None:
        """Do nothing: tests publish explicitly."""

    async def publish_now(self, _id: object) -> None:
        """Publish one pending event."""
        if self.down:
            raise Unavailable("kafka")
        if _id in self.stories.pending:
            self.stories.pending.discard(str(_id))
            self.published.append(str(_id))


@dataclass(slots=True)
class FakeTranscoder:
    """A transcoder that calls `before`, then writes `parts` parts or refuses with `rejection`."""

    parts: int = 1
    rejection: str | None = None
    before: Callable[[], object] = lambda: None

    async def __call__(
        self, source: Path, claimed: str, split: bool, into: Path, progress: Callable[[float], None]
    ) -> Sequence[MediaPart]:
        """Write the parts."""
        self.before()
        progress(0.5)
        if self.rejection:
            raise MediaRefused(self.rejection)
        made = []
        for number in range(self.parts):
            (into / f"{number}.mp4").write_bytes(source.read_bytes())
            (into / f"{number}.jpg").write_bytes(b"poster")
            names = replace(media("draft"), key=f"{number}.mp4", poster_key=f"{number}.jpg")
            made.append(MediaPart(media=names, starts_ms=number * 5_000))
        return made


@asynccontextmanager
async def folder() -> AsyncIterator[Path]:
    """A temporary folder."""
    with TemporaryDirectory() as name:
        yield Path(name)
