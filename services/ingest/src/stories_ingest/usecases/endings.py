"""Handle `story-expired` and `story-deleted`: erase the story's media and publish `story-erased`, on redelivery too."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.errors import InvalidMessage, Unavailable
from stories_shared.events import Event, StoryDeleted, StoryErased, StoryExpired, StoryPosted
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.ids import new_id
from stories_shared.events.outgoing import OutgoingEvent

from stories_ingest.domain import transitions
from stories_ingest.domain.errors import NoSuchStory
from stories_ingest.domain.story import EndReason
from stories_ingest.domain.transitions import StoryChange, StorySnapshot, Transition
from stories_ingest.usecases.archive import ArchiveRepository, EraseArchived, ExpireStory, Outcome
from stories_ingest.usecases.holds import EraseUnlessHeld
from stories_ingest.usecases.ports import CleanupRepository, EventPublisher, OutboxRelay, StoryObjects, StoryRepository
from stories_ingest.usecases.tombstones import Tombstones

MAX_CLOCK_SKEW = timedelta(seconds=5)
"""An event further ahead than any tolerated clock skew is rejected."""
PAGE = 100
"""Reposts per query."""
CONCURRENCY = 8
"""Stories whose media are erased concurrently where many together could not be."""
RECHECK_AFTER = timedelta(seconds=60)
"""Delay of the second erasure: longer than any worker's lease and any request."""


@dataclass(frozen=True, slots=True)
class EraseMedia:
    """Erases stories' objects, publishes that, and writes tombstones for the stories."""

    objects: EraseUnlessHeld
    cleanup: CleanupRepository
    archive: ArchiveRepository
    publisher: EventPublisher
    tombstones: Tombstones
    now: Clock

    async def __call__(self, story_ids: Sequence[str]) -> None:
        """Erase and publish, even stories that are unknown; of one that is given twice, both times. Raises Unavailable.

        One whose objects cannot be erased holds up no other.
        """
        try:
            await self._erase(story_ids)
        except Unavailable:
            if len(story_ids) == 1:
                raise
            await self._erase_singly(story_ids)

    async def _erase_singly(self, story_ids: Sequence[str]) -> None:
        """Erase each by itself, until a few fail at once: then it is the store that is down."""
        errors = list[BaseException]()
        for first in range(0, len(story_ids), CONCURRENCY):
            some = [self._erase([story_id]) for story_id in story_ids[first : first + CONCURRENCY]]
            failed = [each for each in await asyncio.gather(*some, return_exceptions=True) if each is not None]
            errors += failed
            if len(failed) == len(some):
                break
        if errors:
            raise errors[0]

    async def _erase(self, story_ids: Sequence[str]) -> None:
        once = list(dict.fromkeys(story_ids))
        holds = await self.objects.erase_and_find(*once)
        at = truncate_to_ms(self.now())
        await self.cleanup.record_erasure(once, at, at + RECHECK_AFTER)
        archived = await self.archive.kept(once)
        events: list[Event] = [
            StoryErased(
                story_id=story_id,
                store="media",
                erased_at=at,
                archived=story_id in archived,
                held_until=holds[story_id].until if story_id in holds else None,
            )
            for story_id in story_ids
        ]
        released = (hold for hold in holds.values() if hold.until is None)  # its confirmation may have been lost
        events += (StoryErased(story_id=hold.story_id, store="moderation", erased_at=at) for hold in released)
        await self.publisher.publish_all(map(OutgoingEvent, events))
        await self.tombstones.publish_tombstones(StoryPosted, once)


@dataclass(frozen=True, slots=True)
class EndExpired:
    """Handles `story-expired`."""

    expire: ExpireStory
    erase: EraseMedia
    now: Clock
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def __call__(self, events: Sequence[StoryExpired]) -> list[Outcome]:
        """End stories and erase their public media, none before its `expires_at` by the local clock.

        Those that have expired by this clock do not wait for the others. Returns what became of those that their
        authors keep. Raises InvalidMessage for a story that was never posted, or that expires later than the clock
        skew allows.
        """
        now, last = self.now(), max(event.expires_at for event in events)
        if last - now > MAX_CLOCK_SKEW:
            raise InvalidMessage("story-expired arrived before the story's end")
        early = [event.story_id for event in events if event.expires_at >= now]
        outcomes = await self._end([event.story_id for event in events if event.expires_at < now])
        if early:
            await self._sleep_until(last)
            outcomes += await self._end(early)
        return outcomes

    async def _end(self, story_ids: Sequence[str]) -> list[Outcome]:
        if not story_ids:
            return []
        outcomes = await self.expire.all(story_ids, self._expire)
        await self.erase(story_ids)
        return outcomes

    def _expire(self, snapshot: StorySnapshot) -> StoryChange:
        if snapshot.story.posted is None:
            raise InvalidMessage("a story that was never posted cannot expire")
        if not snapshot.story.is_over(self.now()):
            raise InvalidMessage("story-expired arrived before the story's end")
        return transitions.expire(snapshot)

    async def _sleep_until(self, at: datetime) -> None:
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
    erase_archived: EraseArchived

    async def __call__(self, records: Sequence[ReceivedEvent[StoryDeleted]]) -> None:
        """End stories and their reposts and erase their media; external deletions of live stories are published again.

        Of a story that had expired, the deletion takes what its author's archive kept.

        Raises InvalidMessage for an external deletion that is not by an admin.
        """
        for record in records:
            if not record.is_internal and record.event.by != "admin":
                raise InvalidMessage("outside producers delete stories as admin only")
        first = {record.event.story_id: record for record in reversed(records)}
        await self.stories.transact_all({story_id: self._deletion(record) for story_id, record in first.items()})
        self.endings.wake()
        for by in sorted({record.event.by for record in first.values()}):
            await self._delete_reposts([story_id for story_id, each in first.items() if each.event.by == by], by)
        await self.erase_archived.with_reposts(first.keys())
        if erasures := {record.event.story_id for record in records if record.event.by == "erasure"}:
            await self.objects.erase(*erasures)  # of accounts: nothing is held
        await self.erase([record.event.story_id for record in records])

    def _deletion(self, record: ReceivedEvent[StoryDeleted]) -> Transition:
        return partial(
            transitions.delete,
            by=record.event.by,
            series=False,
            now=truncate_to_ms(self.now()),
            new_id=new_id,
            publish=not record.is_internal,
        )

    async def _delete_reposts(self, story_ids: Sequence[str], by: str) -> None:
        """End all copies of stories. None can be created any more: the originals have ended."""
        while repost_ids := await self.stories.reposts(story_ids, PAGE):
            for repost_id in repost_ids:
                delete = partial(transitions.delete, by=by, series=True, now=truncate_to_ms(self.now()), new_id=new_id)
                with suppress(NoSuchStory):
                    ended = (await self.stories.transact(repost_id, delete)).ended
                    drafts = [each.id for each in ended if each.how is EndReason.DISCARDED]
                    await self.objects.erase(*drafts)
            self.endings.wake()
