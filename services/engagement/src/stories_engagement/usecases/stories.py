"""Stories: kept while they live, so that tickets can be judged; ended once, and then erased."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from stories_shared.clock import Clock
from stories_shared.errors import InvalidMessage, Unavailable
from stories_shared.events import StoryDeleted, StoryErased, StoryExpired, StoryPosted
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.external_producers import is_authorized_deletion

from stories_engagement.domain.access_state import LiveStory
from stories_engagement.usecases.concurrency import gather_limited

MAX_CLOCK_SKEW = timedelta(minutes=1)
"""An expiry further ahead of this clock than any skew we run with is no expiry."""

WAIT_FOR_CLOCK = timedelta(seconds=5)
"""How long a batch waits for this clock to agree; clocks of ready replicas are less than that apart."""

ERASE_STEPS = 10
"""Steps of an erasure that are done at once. A story with more than that is erased in background, so that the endings
of others do not wait for it."""

ERASE_FOR = timedelta(seconds=30)
"""How long a replica that does not go on with an erasure keeps others from going on. Each iteration takes it anew."""


class Stories(Protocol):
    """Keeps live stories, ended marks and what belongs to a story."""

    async def put(self, story: StoryPosted) -> None: ...

    async def end(self, story_id: str, how: str) -> None: ...

    async def erase(self, story_id: str, steps: int) -> bool:
        """Delete what belongs to the story in at most so many steps; whether all of it is gone."""
        ...

    async def erase_later(self, story_id: str, now: datetime) -> None:
        """Leave the rest of an erasure to whoever claims it."""
        ...

    async def claim_erasure(self, now: datetime, until: datetime) -> str | None:
        """The erasure that has waited longest, for this replica alone until then."""
        ...

    async def erased(self, story_id: str) -> None:
        """Nothing is left to erase."""
        ...


class ErasurePublisher(Protocol):
    """Says that a story is erased here."""

    async def publish_erased(self, event: StoryErased) -> None: ...


def live_story_of(story: StoryPosted) -> LiveStory:
    """What admission needs of a posted story."""
    return LiveStory(
        author_id=story.author_id,
        expires_at=story.expires_at,
        revision=story.revision,
        access_revision=story.access_revision,
        comments=story.comments,
        reactions=story.reactions,
        sharing=story.sharing,
        view_list=story.view_list,
    )


def reject_unauthorized_deletion(record: ReceivedEvent[StoryDeleted]) -> None:
    """Outsiders delete as admins only (docs/events.md). Raises `InvalidMessage`."""
    if not is_authorized_deletion(record):
        raise InvalidMessage(f"an outside deletion by {record.event.by}")


@dataclass(frozen=True, slots=True)
class StoreStories:
    """Keep stories as their authors last set them, unless they have ended or a newer revision is kept."""

    stories: Stories

    async def __call__(self, records: Sequence[ReceivedEvent[StoryPosted]]) -> None:
        newest: dict[str, StoryPosted] = {}
        for record in records:
            held = newest.get(record.event.story_id)
            if held is None or held.revision < record.event.revision:
                newest[record.event.story_id] = record.event
        await gather_limited(self.stories.put, newest.values())


@dataclass(frozen=True, slots=True)
class EndStories:
    """End stories and erase everything that people did with them, then say so, known or not, every time."""

    stories: Stories
    publisher: ErasurePublisher
    now: Clock
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep

    async def expired(self, records: Sequence[ReceivedEvent[StoryExpired]]) -> None:
        """End them because their time is over, but not before this clock says so too: those that are over come first.

        Raises:
            Unavailable: one is not over for longer than this waits.
            Unacceptable: one is not over for a long time.
        """
        now, expires = self.now(), {record.event.story_id: record.event.expires_at for record in records}
        last = max(expires.values())
        if last - now > MAX_CLOCK_SKEW:
            raise InvalidMessage(f"expires only at {last}")
        early = {story_id for story_id, at in expires.items() if at > now}
        await gather_limited(self._expire, expires.keys() - early)
        if early:
            await self._until(last)
            await gather_limited(self._expire, early)

    async def deleted(self, records: Sequence[ReceivedEvent[StoryDeleted]]) -> None:
        """End them because they were taken back. Raises `InvalidMessage` for a slip of an outsider."""
        for record in records:
            reject_unauthorized_deletion(record)
        await gather_limited(self._delete, {record.event.story_id for record in records})

    async def continue_erasing(self) -> bool:
        """Go on with an erasure that was left for later, for a bounded number of steps; whether there was one."""
        now = self.now()
        story_id = await self.stories.claim_erasure(now, now + ERASE_FOR)
        if story_id is None:
            return False
        if await self.stories.erase(story_id, ERASE_STEPS):
            await self._publish_erased(story_id)
            await self.stories.erased(story_id)
        else:
            await self.stories.erase_later(story_id, self.now())
        return True

    async def _until(self, at: datetime) -> None:
        ahead = at - self.now()
        if ahead > WAIT_FOR_CLOCK:
            raise Unavailable("clock", f"a story lives for another {ahead.total_seconds():.3f} s")
        while (ahead := at - self.now()) > timedelta(0):
            await self.sleep(ahead.total_seconds())

    async def _expire(self, story_id: str) -> None:
        await self._end(story_id, "expired")

    async def _delete(self, story_id: str) -> None:
        await self._end(story_id, "deleted")

    async def _end(self, story_id: str, how: Literal["expired", "deleted"]) -> None:
        await self.stories.end(story_id, how)
        if await self.stories.erase(story_id, ERASE_STEPS):
            await self._publish_erased(story_id)
        else:
            await self.stories.erase_later(story_id, self.now())

    async def _publish_erased(self, story_id: str) -> None:
        await self.publisher.publish_erased(StoryErased(story_id=story_id, store="engagement", erased_at=self.now()))
