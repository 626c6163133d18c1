"""The end of stories: everything is erased except their id and the time of the end."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.errors import InvalidMessage
from stories_shared.events import StoryDeleted, StoryErased, StoryExpired
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.external_producers import is_authorized_deletion
from stories_shared.events.outgoing import OutgoingEvent

from stories_feed.usecases.ports import PublishAll

How = Literal["expired", "deleted"]
# A service with a clock that is more than 2 s off takes no traffic, so a larger difference is not clock skew.
MAX_CLOCK_SKEW = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a story."""

    story_id: str
    at: datetime
    how: How


@dataclass(frozen=True, slots=True)
class EndStories:
    """Erase ended stories, known or not, and publish each erasure, also on redelivery."""

    end: Callable[[Sequence[Ending]], Awaitable[None]]
    """Sets the permanent ended mark of each, and erases its document."""
    publish_all: PublishAll
    now: Clock

    async def expired(self, records: Sequence[ReceivedEvent[StoryExpired]]) -> None:
        """Erase expired stories, none before its ``expires_at`` by this clock.

        Raises:
            InvalidMessage: an end is further ahead than any tolerated clock skew.
        """
        now = self.now()
        ahead = max((record.event.expires_at for record in records), default=now) - now
        if ahead > MAX_CLOCK_SKEW:
            raise InvalidMessage("story-expired arrived before the story's end")
        if ahead >= timedelta(0):
            await asyncio.sleep(ahead.total_seconds() + 0.001)
        await self._end([Ending(record.event.story_id, record.event.expired_at, "expired") for record in records])

    async def deleted(self, records: Sequence[ReceivedEvent[StoryDeleted]]) -> None:
        """Erase deleted stories.

        Raises:
            InvalidMessage: an external producer deletes in the author's name.
        """
        if not all(is_authorized_deletion(record) for record in records):
            raise InvalidMessage("external producers may delete stories only as admin")
        await self._end([Ending(record.event.story_id, record.event.deleted_at, "deleted") for record in records])

    async def _end(self, endings: Sequence[Ending]) -> None:
        await self.end(endings)
        at = truncate_to_ms(self.now())
        erasures = (StoryErased(story_id=end.story_id, store="feed", erased_at=at) for end in endings)
        await self.publish_all(map(OutgoingEvent, erasures))
