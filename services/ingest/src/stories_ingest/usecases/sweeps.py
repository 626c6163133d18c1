"""Garbage collection: abandoned drafts, orphaned objects, missed expiries, second erasures."""

from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.concurrency import gather_limited

from stories_ingest.domain import transitions
from stories_ingest.domain.errors import NoSuchStory
from stories_ingest.domain.transitions import StoryChange, StorySnapshot
from stories_ingest.usecases.archive import ExpireStory
from stories_ingest.usecases.endings import EraseMedia
from stories_ingest.usecases.ports import CleanupRepository, MediaBucket, StoryObjects, StoryRepository

EXPIRY_GRACE = timedelta(hours=1)
"""How long after a story's end its `story-expired` may still arrive."""
PAGE = 40
"""Stories per iteration: half a minute even if each call takes as long as its timeout."""
CONCURRENCY = 4
"""Concurrent erasures, so that requests can use the bucket too."""
KEYS_PER_PAGE = 1_000
"""Keys per page, the maximum of S3's ListObjectsV2."""
MAX_SWEEP_TIME = timedelta(seconds=10)
"""Maximum duration of an iteration of a bucket sweep, after which it has saved its position and reports as alive."""


class Position(Protocol):
    """Persistent position of a bucket sweep. Advancing it renews the lease of the sweep."""

    async def load(self) -> str:
        """The key to resume after; empty for the beginning."""

    async def advance(self, position: str) -> bool:
        """Save the position; False when another replica has taken the lease."""


@dataclass(frozen=True, slots=True)
class DiscardOverdue:
    """Discards abandoned drafts, and refused stories after a day, with their uploads."""

    cleanup: CleanupRepository
    stories: StoryRepository
    objects: StoryObjects
    now: Clock

    async def __call__(self) -> bool:
        """Process one page; return whether there may be more."""
        story_ids = await self.cleanup.discardable(self.now(), PAGE)
        await gather_limited(self._end, story_ids, CONCURRENCY)
        return len(story_ids) == PAGE

    async def _end(self, story_id: str) -> None:
        with suppress(NoSuchStory):
            ended = (await self.stories.transact(story_id, self._discard)).ended
            await self.objects.erase(*(story.id for story in ended))

    def _discard(self, snapshot: StorySnapshot) -> StoryChange:
        if snapshot.story.posted is not None or not snapshot.story.is_over(self.now()):
            return transitions.no_change(snapshot)
        return transitions.discard(snapshot, truncate_to_ms(self.now()))


@dataclass(frozen=True, slots=True)
class EraseMissedExpiries:
    """Erases media of stories whose `story-expired` was not received an hour after their end."""

    cleanup: CleanupRepository
    expire: ExpireStory
    erase: EraseMedia
    now: Clock

    async def __call__(self) -> bool:
        """Process one page; return whether there may be more."""
        story_ids = await self.cleanup.missed_expiries(self.now() - EXPIRY_GRACE, PAGE)
        await gather_limited(self._end, story_ids, CONCURRENCY)
        return len(story_ids) == PAGE

    async def _end(self, story_id: str) -> None:
        with suppress(NoSuchStory):
            await self.expire(story_id)
            await self.erase([story_id])


@dataclass(frozen=True, slots=True)
class SweepObjects:
    """Removes unreferenced objects below a prefix.

    A presigned form can be used again until its policy expires, and a stalled worker may write late. The sweep lists
    the keys page by page, over several iterations and replicas, and restarts after the end.

    Args:
        bucket: the objects.
        prefix: prefix of the keys.
        referenced: selects the keys to keep.
        pages: maximum number of pages per iteration.
        always_pause: whether to pause between iterations even before the end is reached.
    """

    bucket: MediaBucket
    prefix: str
    referenced: Callable[[Collection[str]], Awaitable[Collection[str]]]
    now: Clock
    pages: int
    always_pause: bool = False

    async def __call__(self, position: Position) -> bool:
        """Run one iteration; return whether the next should follow without a pause."""
        after, until = await position.load(), self.now() + MAX_SWEEP_TIME
        for _ in range(self.pages):
            page = await self.bucket.page(self.prefix, after, KEYS_PER_PAGE)
            kept = await self.referenced(page)
            await self.bucket.remove(*(key for key in page if key not in kept))
            after = page[-1] if len(page) == KEYS_PER_PAGE else ""
            if not await position.advance(after):
                return False
            if not after or self.now() >= until:
                break
        return bool(after) and not self.always_pause


@dataclass(frozen=True, slots=True)
class RecheckErasures:
    """Erases a second time what a stalled worker or request wrote after the first erasure."""

    cleanup: CleanupRepository
    objects: StoryObjects
    now: Clock

    async def __call__(self) -> bool:
        """Process one page; return whether there may be more."""
        story_ids = await self.cleanup.due_rechecks(self.now(), PAGE)
        await gather_limited(self._recheck_story, story_ids, CONCURRENCY)
        return len(story_ids) == PAGE

    async def _recheck_story(self, story_id: str) -> None:
        await self.objects.erase(story_id)
        await self.cleanup.clear_recheck(story_id)
