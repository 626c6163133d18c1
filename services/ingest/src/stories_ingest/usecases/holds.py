"""Media of reported stories: kept for moderators after the story's end, until the decision or a time.

A hold begins and ends by `story-held`. While it lasts, what would erase the story's media moves them to keys that no
URL is ever signed for. Account erasures hold nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.events import StoryErased, StoryHeld

from stories_ingest.usecases.ports import EventPublisher, MediaBucket

PAGE = 20
"""Stories per query: each takes a listing and a removal."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold on a story's media. `until` is None once it was released; `kept`: whether media were moved."""

    story_id: str
    until: datetime | None
    kept: bool

    def lasts(self, now: datetime) -> bool:
        """Whether media must not be erased now."""
        return self.until is not None and self.until > now


class HoldRepository(Protocol):
    """Stores holds."""

    async def put(self, event: StoryHeld) -> None:
        """Begin a hold or change its time; the latest event counts, and none once it was released."""

    async def find(self, *story_ids: str) -> Sequence[Hold]:
        """The holds of these stories."""

    async def keep(self, story_id: str, now: datetime) -> bool:
        """Record that media are kept; False if the hold is over."""

    async def due(self, now: datetime, limit: int) -> Sequence[Hold]:
        """Holds that are over and were not released."""

    async def end_all_of(self, author_id: str, at: datetime, now: datetime) -> None:
        """End the holds on an author's stories that began until `at`."""

    async def release(self, hold: Hold, now: datetime) -> None:
        """Record that nothing is kept any more, unless something has been kept since the hold was read."""


@dataclass(frozen=True, slots=True)
class EraseUnlessHeld:
    """Erases the media of stories. What is held is kept where nobody can read it."""

    bucket: MediaBucket
    holds: HoldRepository
    now: Clock

    async def erase(self, *story_ids: str) -> None:
        """Remove the uploads and media of these stories; keep a copy of what is held."""
        await self.erase_and_find(*story_ids)

    async def erase_and_find(self, *story_ids: str) -> Mapping[str, Hold]:
        """The same; the holds by story where media were kept."""
        holds = await self.holds.find(*story_ids)
        for hold in holds:
            await self._keep(hold)
        await self.bucket.erase(*story_ids)
        after = await self.holds.find(*story_ids) if holds else ()
        return {hold.story_id: hold for hold in after if hold.kept}

    async def _keep(self, hold: Hold) -> None:
        now = self.now()
        if hold.lasts(now) and await self.bucket.copy_to_held(hold.story_id):
            await self.holds.keep(hold.story_id, now)
        if not any(each.lasts(self.now()) for each in await self.holds.find(hold.story_id)):
            await self.bucket.erase_held(hold.story_id)  # released meanwhile, perhaps before the copy was complete


@dataclass(frozen=True, slots=True)
class ReleaseHolds:
    """Erases what was kept, and confirms that as the store `moderation`."""

    bucket: MediaBucket
    holds: HoldRepository
    publisher: EventPublisher
    now: Clock

    async def __call__(self) -> bool:
        """Release what is due; return whether there may be more."""
        due = await self.holds.due(self.now(), PAGE)
        for hold in due:
            await self._release(hold)
        return len(due) == PAGE

    async def all_of(self, author_id: str, at: datetime) -> None:
        """Release everything kept of an author's stories that were reported until `at`. Raises Unavailable."""
        await self.holds.end_all_of(author_id, at, truncate_to_ms(self.now()))
        while await self():
            pass

    async def _release(self, hold: Hold) -> None:
        await self.bucket.erase_held(hold.story_id)
        if hold.kept:
            at = truncate_to_ms(self.now())
            await self.publisher.publish(StoryErased(story_id=hold.story_id, store="moderation", erased_at=at))
        await self.holds.release(hold, truncate_to_ms(self.now()))


@dataclass(frozen=True, slots=True)
class HoldMedia:
    """Handles `story-held`."""

    holds: HoldRepository
    release_holds: ReleaseHolds
    now: Clock

    async def __call__(self, event: StoryHeld) -> None:
        """Begin a hold, or release it once it is decided. Raises Unavailable."""
        await self.holds.put(event)
        if event.until <= self.now():
            await self.release_holds()
