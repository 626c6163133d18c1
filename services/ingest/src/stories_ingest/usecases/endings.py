"""Endings that are heard: whatever this service holds of the story is erased, and that is said, every time."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.errors import InvalidMessage
from stories_shared.events import StoryDeleted, StoryErased, StoryExpired, StoryPosted

from stories_ingest.domain import transitions
from stories_ingest.domain.errors import NoSuchStory
from stories_ingest.domain.transitions import StoryChange, StorySnapshot
from stories_ingest.usecases.ports import EventPublisher, OutboxRelay, StoryObjects, StoryRepository

MAX_CLOCK_SKEW = timedelta(seconds=5)
"""A `story-expired` further ahead of our clock than clocks may differ is nobody's honest news."""
RECHECK_AFTER = timedelta(seconds=60)
"""When erasure looks again: longer than any lease of a worker and any request."""


class ErasureLog(Protocol):
    """What is noted of an ended story's erasure."""

    async def erased(self, story_id: str, at: datetime, recheck_at: datetime) -> None:
        """Note when its media were erased, and when to look again."""


@dataclass(frozen=True, slots=True)
class EraseMedia:
    """Erases a story's objects, says so, and lets the log forget the story."""

    objects: StoryObjects
    erasure_log: ErasureLog
    publisher: EventPublisher
    now: Clock

    async def __call__(self, story_id: str) -> None:
        """Erase and say so, known story or not. Raises Unavailable."""
        await self.objects.erase(story_id)
        at = truncate_to_ms(self.now())
        await self.erasure_log.erased(story_id, at, at + RECHECK_AFTER)
        await self.publisher.publish(StoryErased(story_id=story_id, store="media", erased_at=at))
        await self.publisher.forget(StoryPosted, story_id)


@dataclass(frozen=True, slots=True)
class EndExpired:
    """A story's time is over."""

    stories: StoryRepository
    erase: EraseMedia
    now: Clock
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def __call__(self, event: StoryExpired) -> None:
        """End the story and erase its media, never before our own clock agrees.

        Raises Unacceptable for the expiry of what was never posted, or is far from its end.
        """
        await self._sleep_until(event.expires_at)
        with suppress(NoSuchStory):
            await self.stories.transact(event.story_id, self._expire)
        await self.erase(event.story_id)

    def _expire(self, snapshot: StorySnapshot) -> StoryChange:
        if snapshot.story.posted is None:
            raise InvalidMessage("a story that was never posted cannot expire")
        if not snapshot.story.is_over(self.now()):
            raise InvalidMessage("a story expires at its time and not before")
        return transitions.expire(snapshot)

    async def _sleep_until(self, at: datetime) -> None:
        skew = at - self.now()
        if skew > MAX_CLOCK_SKEW:
            raise InvalidMessage("a story expires at its time and not before")
        while (remaining := (at - self.now()).total_seconds()) >= 0:
            await self.sleep(remaining + 0.001)


@dataclass(frozen=True, slots=True)
class EndDeleted:
    """Somebody took a story back: this service itself, engagement for a report, or a moderation pipeline outside."""

    stories: StoryRepository
    endings: OutboxRelay
    erase: EraseMedia
    now: Clock
    new_id: Callable[[], str]

    async def __call__(self, event: StoryDeleted, *, is_internal: bool) -> None:
        """End the story and erase its media; what an outsider said of a living story is said again by us.

        Raises Unacceptable for an outsider who speaks for the author.
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
        await self.erase(event.story_id)
