"""Keep expired stories for their authors, and erase what was kept.

An expired story moves in three steps, each of which can be repeated: its objects are copied, one transaction ends the
story and keeps it in the archive, and its public objects are erased. A copy without the second step belongs to nobody,
and the sweep removes it.
"""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Literal, Protocol

from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.concurrency import gather_limited
from stories_shared.events import StoryErased

from stories_ingest.domain import transitions
from stories_ingest.domain.archive import ArchivedStory, RemovedStory
from stories_ingest.domain.errors import MediaChanged, NoSuchStory
from stories_ingest.domain.media import Media
from stories_ingest.domain.story import Story
from stories_ingest.domain.transitions import StoryChange, StorySnapshot, Transition
from stories_ingest.usecases.ports import EventPublisher, MediaBucket, StoryRepository

COPIES = 5
"""How often a story is copied whose media changes meanwhile: its last rendition is added while it expires."""
PAGE = 40
"""Archived stories per iteration, as of the other sweeps."""
CONCURRENCY = 4
"""Concurrent erasures, so that requests can use the bucket too."""
RETRY_AFTER = timedelta(seconds=10)
"""When a sweep erases what a request has removed and not erased."""
OFF_GRACE = timedelta(days=1)
"""How long the installation's archive must be off until it is emptied: a wrong setting must not erase what is kept."""
RECHECK_AFTER = timedelta(seconds=60)
"""Delay of the second erasure: longer than any copy that was under way."""

OVERDUE_AFTER = timedelta(minutes=5)
"""An erasure that is due for so long needs an operator."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a story that was to be kept; `lost`: its media was already gone. `objects` were moved."""

    result: Literal["archived", "lost"]
    objects: int = 0


class ArchiveRepository(Protocol):
    """Archived stories, which authors keep them, and since when the installation's archive is off."""

    async def keeping(self, story_ids: Collection[str]) -> set[str]:
        """Those of the live stories whose authors keep expired stories."""

    async def enabled(self, user_id: str) -> bool:
        """Whether the user keeps expired stories."""

    async def set_enabled(self, user_id: str, at: datetime, *, enabled: bool) -> None:
        """Set whether the user keeps stories that expire from now on."""

    async def owner(self, story_id: str) -> str | None:
        """The author of an archived story, also of one that is being erased."""

    async def kept(self, story_ids: Collection[str]) -> set[str]:
        """Those of the stories that are in the archive."""

    async def copies_of(self, story_ids: Collection[str], limit: int) -> list[str]:
        """The stories and their reposts, as far as they are in the archive."""

    async def of_author(self, user_id: str, at: datetime, limit: int) -> list[str]:
        """Archived stories of a user, created no later than `at`, whose objects are not yet erased."""

    async def remove(self, story_ids: Collection[str], at: datetime, erase_at: datetime) -> list[RemovedStory]:
        """Remove stories from the archive and from highlights; those whose objects are to be erased."""

    async def due_erasures(self, now: datetime, limit: int) -> list[RemovedStory]:
        """Removed stories whose objects are to be erased, for the first or the second time."""

    async def count_due(self, before: datetime) -> int:
        """How many erasures have been due since a time, at most 1,000."""

    async def record_archive_erasure(self, story_id: str, at: datetime, recheck_at: datetime) -> None:
        """Record when the objects were erased, and when to erase again."""

    async def forget_archived(self, story_id: str) -> None:
        """Delete the record of a removed story."""

    async def archive_page(self, author_id: str, before: str | None, limit: int) -> list[ArchivedStory]:
        """An author's archived stories, newest first, older than the id `before`."""

    async def any_archived(self, limit: int) -> list[str]:
        """Ids of archived stories of anyone."""

    async def off_since(self, now: datetime) -> datetime:
        """Since when the archive is off; from now on if it was on."""

    async def record_on(self) -> None:
        """Record that the archive is on."""

    async def forget_settings(self) -> None:
        """Delete the settings of all authors."""


@dataclass(frozen=True, slots=True)
class ExpireStory:
    """Ends a story whose time has passed; keeps it where the installation and its author do (`is_on`)."""

    stories: StoryRepository
    archive: ArchiveRepository
    bucket: MediaBucket
    now: Clock
    is_on: bool

    async def __call__(self, story_id: str, expire: Transition = transitions.expire) -> Outcome | None:
        """The outcome for the archive, None for a story that nobody keeps.

        Raises NoSuchStory, Unavailable, and what the transition `expire` raises.
        """
        is_kept = False
        for _ in range(COPIES):
            story = await self.stories.find(story_id) if self.is_on else None
            if story is None or story.posted is None or not story.is_over(self.now()):
                break
            is_kept = await self.archive.enabled(story.author_id)
            media = story.posted.media
            if not is_kept or not await self.bucket.copy_to_archive(media, story.author_id, story_id):
                break
            with suppress(MediaChanged):
                await self._move(story, media)
                return Outcome("archived", len(media.keys))
        await self.stories.transact(story_id, expire)
        return Outcome("lost") if is_kept else None

    async def all(self, story_ids: Collection[str], expire: Transition) -> list[Outcome]:
        """The same for several stories, in one transaction where nobody keeps them; the outcomes of the others."""
        kept = await self.archive.keeping(story_ids) if self.is_on else set[str]()
        await self.stories.transact_all({each: expire for each in story_ids if each not in kept})

        async def one(story_id: str) -> Outcome | None:
            with suppress(NoSuchStory):
                return await self(story_id, expire)
            return None

        return [outcome for outcome in await gather_limited(one, kept, CONCURRENCY) if outcome is not None]

    async def _move(self, story: Story, media: Media) -> None:
        try:
            await self.stories.transact(story.id, partial(transitions.archive, copied=media))
        except NoSuchStory:  # deleted meanwhile, or moved by another replica
            if not await self.archive.kept([story.id]):
                await self.bucket.erase_archived(story.author_id, story.id)
            raise


@dataclass(frozen=True, slots=True)
class EraseArchived:
    """Erases archived stories and publishes that. What was removed once is erased, even if the request fails."""

    archive: ArchiveRepository
    bucket: MediaBucket
    publisher: EventPublisher
    now: Clock

    async def __call__(self, *story_ids: str) -> None:
        """Remove these stories from the archive and erase them; others are ignored. Raises Unavailable."""
        now = truncate_to_ms(self.now())
        removed = await self.archive.remove(story_ids, now, now + RETRY_AFTER)
        await gather_limited(self._erase, removed, CONCURRENCY)

    async def with_reposts(self, story_ids: Collection[str]) -> None:
        """Erase the stories and their reposts, as far as they are archived. Raises Unavailable."""
        while found := await self.archive.copies_of(story_ids, PAGE):
            await self(*found)

    async def of_author(self, user_id: str, at: datetime) -> None:
        """Erase all archived stories of a user that were created until `at`. Raises Unavailable."""
        while found := await self.archive.of_author(user_id, at, PAGE):
            await self(*found)

    async def sweep(self) -> bool:
        """Erase what a failed request has left, and everything a second time; whether there may be more."""
        due = await self.archive.due_erasures(self.now(), PAGE)
        await gather_limited(self._erase, due, CONCURRENCY)
        return len(due) == PAGE

    async def overdue(self) -> int:
        """How many erasures have failed for minutes."""
        return await self.archive.count_due(self.now() - OVERDUE_AFTER)

    async def _erase(self, removed: RemovedStory) -> None:
        await self.bucket.erase_archived(removed.author_id, removed.story_id)
        if removed.erased_at is not None:
            await self.archive.forget_archived(removed.story_id)
            return
        at = truncate_to_ms(self.now())
        await self.publisher.publish(StoryErased(story_id=removed.story_id, store="archive", erased_at=at))
        await self.archive.record_archive_erasure(removed.story_id, at, at + RECHECK_AFTER)


@dataclass(frozen=True, slots=True)
class RepeatErasure:
    """Handles `story-erased` of the archive: after a restore, what was erased since the backup is kept again."""

    stories: StoryRepository
    erase: EraseArchived
    now: Clock

    async def __call__(self, event: StoryErased) -> None:
        """End the story without keeping it, and erase what is kept. Raises Unavailable."""
        if event.store != "archive":
            return
        with suppress(NoSuchStory):
            await self.stories.transact(event.story_id, self._expire)
        await self.erase(event.story_id)

    def _expire(self, snapshot: StorySnapshot) -> StoryChange:
        is_over = snapshot.story.is_over(self.now())
        return transitions.expire(snapshot) if is_over else transitions.no_change(snapshot)


@dataclass(frozen=True, slots=True)
class EmptyArchive:
    """Erases all that is kept once the installation's archive has been off for a day."""

    archive: ArchiveRepository
    erase: EraseArchived
    now: Clock
    is_on: bool

    async def __call__(self) -> bool:
        """Erase one page where it is off; return whether there may be more. Raises Unavailable."""
        if self.is_on:
            await self.archive.record_on()
            return False
        now = truncate_to_ms(self.now())
        if now - await self.archive.off_since(now) < OFF_GRACE:
            return False
        await self.archive.forget_settings()
        story_ids = await self.archive.any_archived(PAGE)
        await self.erase(*story_ids)
        return len(story_ids) == PAGE


@dataclass(frozen=True, slots=True)
class DeleteArchived:
    """Deletes a story from its author's archive."""

    archive: ArchiveRepository
    erase: EraseArchived

    async def __call__(self, user_id: str, story_id: str) -> None:
        """Return when its objects are gone and that is published. Raises NoSuchStory, Unavailable."""
        if await self.archive.owner(story_id) != user_id:
            raise NoSuchStory(story_id)
        await self.erase(story_id)
