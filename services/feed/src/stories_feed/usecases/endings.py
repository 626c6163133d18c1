"""Stories end: nothing of them stays but their id and when it was."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from stories_shared.clock import Clock, whole_ms
from stories_shared.errors import Unacceptable
from stories_shared.events import Event, StoryDeleted, StoryErased, StoryExpired
from stories_shared.events.cloudevents import Fact
from stories_shared.events.external_producers import may_delete
from stories_shared.events.outgoing import Saying

How = Literal["expired", "deleted"]
# Clocks that are further apart than 2 s make a service step aside, so a later end is no difference of clocks.
MOST_EARLY = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class End:
    """That a story ended, when and how."""

    story_id: str
    at: datetime
    how: How


class Endings(Protocol):
    """Where stories end."""

    async def end(self, endings: Sequence[End]) -> None:
        """Leave the mark of each, for good, and erase its document."""
        ...


class Sayings(Protocol):
    """What is said to the other services."""

    async def say_all(self, sayings: Iterable[Saying]) -> None:
        """Return when all of it is acknowledged."""
        ...


@dataclass(frozen=True, slots=True)
class EndStories:
    """Erase stories that ended, and say so every time it is heard, whether or not they were known."""

    endings: Endings
    sayings: Sayings
    now: Clock

    async def expired(self, facts: Sequence[Fact[StoryExpired]]) -> None:
        """Erase expired stories, none before this clock has passed its end.

        Raises:
            Unacceptable: the end of one is so far ahead that it cannot have come.
        """
        now = self.now()
        ahead = max((fact.event.expires_at for fact in facts), default=now) - now
        if ahead > MOST_EARLY:
            raise Unacceptable("a story is said to have expired that has not")
        if ahead >= timedelta(0):
            await asyncio.sleep(ahead.total_seconds() + 0.001)
        await self._end([End(fact.event.story_id, fact.event.expired_at, "expired") for fact in facts])

    async def deleted(self, facts: Sequence[Fact[StoryDeleted]]) -> None:
        """Erase deleted stories.

        Raises:
            Unacceptable: an outsider deletes in the author's name.
        """
        if not all(may_delete(fact) for fact in facts):
            raise Unacceptable("from outside a story is deleted by admin only")
        await self._end([End(fact.event.story_id, fact.event.deleted_at, "deleted") for fact in facts])

    async def _end(self, endings: Sequence[End]) -> None:
        await self.endings.end(endings)
        at = whole_ms(self.now())
        said: list[Event] = [StoryErased(story_id=end.story_id, store="feed", erased_at=at) for end in endings]
        await self.sayings.say_all(Saying(event) for event in said)
