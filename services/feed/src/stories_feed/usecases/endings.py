"""Stories end: nothing of them stays but their id and when it was."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.errors import InvalidMessage
from stories_shared.events import Event, StoryDeleted, StoryErased, StoryExpired
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.external_producers import is_authorized_deletion
from stories_shared.events.outgoing import OutgoingEvent

How = Literal["expired", "deleted"]
# Clocks that are further apart than 2 s make a service step aside, so a later end is no difference of clocks.
MAX_CLOCK_SKEW = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Ending:
    """That a story ended, when and how."""

    story_id: str
    at: datetime
    how: How


class Endings(Protocol):
    """Where stories end."""

    async def end(self, endings: Sequence[Ending]) -> None:
        """Leave the mark of each, for good, and erase its document."""
        ...


class EventPublisher(Protocol):
    """What is said to the other services."""

    async def publish_all(self, sayings: Iterable[OutgoingEvent]) -> None:
        """Return when all of it is acknowledged."""
        ...


@dataclass(frozen=True, slots=True)
class EndStories:
    """Erase stories that ended, and say so every time it is heard, whether or not they were known."""

    endings: Endings
    sayings: EventPublisher
    now: Clock

    async def expired(self, facts: Sequence[ReceivedEvent[StoryExpired]]) -> None:
        """Erase expired stories, none before this clock has passed its end.

        Raises:
            Unacceptable: the end of one is so far ahead that it cannot have come.
        """
        now = self.now()
        ahead = max((fact.event.expires_at for fact in facts), default=now) - now
        if ahead > MAX_CLOCK_SKEW:
            raise InvalidMessage("a story is said to have expired that has not")
        if ahead >= timedelta(0):
            await asyncio.sleep(ahead.total_seconds() + 0.001)
        await self._end([Ending(fact.event.story_id, fact.event.expired_at, "expired") for fact in facts])

    async def deleted(self, facts: Sequence[ReceivedEvent[StoryDeleted]]) -> None:
        """Erase deleted stories.

        Raises:
            Unacceptable: an outsider deletes in the author's name.
        """
        if not all(is_authorized_deletion(fact) for fact in facts):
            raise InvalidMessage("from outside a story is deleted by admin only")
        await self._end([Ending(fact.event.story_id, fact.event.deleted_at, "deleted") for fact in facts])

    async def _end(self, endings: Sequence[Ending]) -> None:
        await self.endings.end(endings)
        at = truncate_to_ms(self.now())
        said: list[Event] = [StoryErased(story_id=end.story_id, store="feed", erased_at=at) for end in endings]
        await self.sayings.publish_all(OutgoingEvent(event) for event in said)
