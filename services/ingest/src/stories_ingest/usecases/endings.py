"""Handle `story-expired` and `story-deleted`: erase the story's media and publish `story-erased`, on redelivery too."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.errors import InvalidMessage
from stories_shared.events import StoryDeleted, StoryErased, StoryExpired, StoryPosted

from stories_ingest.domain import transitions
from stories_ingest.domain.errors import NoSuchStory
from stories_ingest.domain.story import EndReason
from stories_ingest.domain.transitions import StoryChange, StorySnapshot
from stories_ingest.usecases.archive import ArchiveRepository, EraseArchived, ExpireStory, Outcome
from stories_ingest.usecases.holds import EraseUnlessHeld
from stories_ingest.usecases.ports import CleanupRepository, EventPublisher, OutboxRelay, StoryObjects, StoryRepository

MAX_CLOCK_SKEW = timedelta(seconds=5)
"""An event further ahead than any tolerated clock skew is rejected."""
PAGE = 100
"""Reposts per query."""
RECHECK_AFTER = timedelta(seconds=60)
"""Delay of the second erasure: longer than any worker's lease and any request."""


@dataclass(frozen=True, slots=True)
class EraseMedia:
    """Erases a story's objects, publishes that, and writes tombstones for the story."""

    objects: EraseUnlessHeld
    cleanup: CleanupRepository
    archive: ArchiveRepository
    publisher: EventPublisher
    now: Clock

    async def __call__(self, story_id: str) -> None:
        """Erase and publish, even if the story is unknown. Raises Unavailable."""
        hold = await self.objects.erase_one(story_id)
        at = truncate_to_ms(self.now())
        await self.cleanup.record_erasure(story_id, at, at + RECHECK_AFTER)
        archived, held_until = await self.archive.kept(story_id), hold.until if hold else None
        await self.publisher.publish(
            StoryErased(story_id=story_id, store="media", erased_at=at, archived=archived, held_until=held_until)
        )
        if hold and held_until is None:  # its confirmation may have been lost
            await self.publisher.publish(StoryErased(story_id=story_id, store="moderation", erased_at=at))
        await self.publisher.publish_tombstone(StoryPosted, story_id)


@dataclass(frozen=True, slots=True)
class EndExpired:
    """Handles `story-expired`."""

    expire: ExpireStory
    erase: EraseMedia
    now: Clock
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def __call__(self, event: StoryExpired) -> Outcome | None:
        """End the story and erase its public media, but not before `expires_at` by the local clock.

        Returns what became of it in its author's archive. Raises InvalidMessage for a story that was never posted, or
        that expires later than the clock skew allows.
        """
        await self._sleep_until(event.expires_at)
        outcome = None
        with suppress(NoSuchStory):
            outcome = await self.expire(event.story_id, self._expire)
        await self.erase(event.story_id)
        return outcome

    def _expire(self, snapshot: StorySnapshot) -> StoryChange:
        if snapshot.story.posted is None:
            raise InvalidMessage("a story that was never posted cannot expire")
        if not snapshot.story.is_over(self.now()):
            raise InvalidMessage("story-expired arrived before the story's end")
        return transitions.expire(snapshot)

    async def _sleep_until(self, at: datetime) -> None:
        skew = at - self.now()
        if skew > MAX_CLOCK_SKEW:
            raise InvalidMessage("story-expired arrived before the story's end")
        while (remaining := (at - self.now()).total_seconds()) >= 0:
            await self.sleep(remaining + 0.001)


@dataclass(frozen=True, slots=True)
class EndDeleted:
    """Handles `story-deleted` from this service, from engagement (reports) or from external moderation."""

    stories: StoryRepository
    objects: StoryObjects
    endings: OutboxRelay
    erase: EraseMedia
    now: Clock
    new_id: Callable[[], str]
    erase_archived: EraseArchived

    async def __call__(self, event: StoryDeleted, *, is_internal: bool) -> None:
        """End the story and its reposts and erase its media; an external deletion of a live story is published again.

        Of a story that had expired, the deletion takes what its author's archive kept.

        Raises InvalidMessage for an external deletion that is not by an admin.
        """
        if not is_internal and event.by != "admin":
            raise InvalidMessage("outside producers delete stories as admin only")

        def transition(snapshot: StorySnapshot) -> StoryChange:
            return transitions.delete(
                snapshot,
                by=event.by,
                series=False,
                now=truncate_to_ms(self.now()),
                new_id=self.new_id,
                publish=not is_internal,
            )

        with suppress(NoSuchStory):
            await self.stories.transact(event.story_id, transition)
            self.endings.wake()
        await self._delete_reposts(event)
        await self.erase_archived.with_reposts(event.story_id)
        if event.by == "erasure":  # of an account: nothing is held
            await self.objects.erase(event.story_id)
        await self.erase(event.story_id)

    async def _delete_reposts(self, event: StoryDeleted) -> None:
        """End all copies of the story. None can be created any more: the original has ended."""

        def transition(snapshot: StorySnapshot) -> StoryChange:
            return transitions.delete(
                snapshot, by=event.by, series=True, now=truncate_to_ms(self.now()), new_id=self.new_id
            )

        while repost_ids := await self.stories.reposts(event.story_id, PAGE):
            for repost_id in repost_ids:
                with suppress(NoSuchStory):
                    ended = (await self.stories.transact(repost_id, transition)).ended
                    drafts = [each.id for each in ended if each.how is EndReason.DISCARDED]
                    await self.objects.erase(*drafts)
            self.endings.wake()
