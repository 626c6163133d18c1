"""Stories: kept while they live, so that tickets can be judged; ended once, and then erased."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from stories_shared.clock import Clock
from stories_shared.cloudevents import Fact
from stories_shared.events import StoryDeleted, StoryErased, StoryExpired, StoryPosted
from stories_shared.failures import Unacceptable, Unavailable
from stories_shared.outsiders import may_delete

from stories_engagement.domain.standing import Known
from stories_engagement.usecases.abreast import abreast

TOO_EARLY = timedelta(minutes=1)
"""An expiry further ahead of this clock than any skew we run with is no expiry."""


class Stories(Protocol):
    """Keeps live stories, ended marks and what belongs to a story."""

    async def put(self, story: StoryPosted) -> None: ...

    async def end(self, story_id: str, how: str, at: datetime) -> None: ...

    async def erase(self, story_id: str) -> None: ...


class Erasures(Protocol):
    """Says that a story is erased here."""

    async def say_erased(self, event: StoryErased) -> None: ...


def known_of(story: StoryPosted) -> Known:
    """What admission needs of a posted story."""
    return Known(
        author_id=story.author_id,
        expires_at=story.expires_at,
        revision=story.revision,
        access_revision=story.access_revision,
        comments=story.comments,
        reactions=story.reactions,
        sharing=story.sharing,
        view_list=story.view_list,
    )


def refuse_slips(fact: Fact[StoryDeleted]) -> None:
    """Outsiders delete as admins only (docs/events.md). Raises `Unacceptable`."""
    if not may_delete(fact):
        raise Unacceptable(f"an outside deletion by {fact.event.by}")


@dataclass(frozen=True, slots=True)
class KeepStories:
    """Keep stories as their authors last set them, unless they have ended or a newer revision is kept."""

    stories: Stories

    async def __call__(self, facts: Sequence[Fact[StoryPosted]]) -> None:
        newest: dict[str, StoryPosted] = {}
        for fact in facts:
            held = newest.get(fact.event.story_id)
            if held is None or held.revision < fact.event.revision:
                newest[fact.event.story_id] = fact.event
        await abreast(self.stories.put, newest.values())


@dataclass(frozen=True, slots=True)
class EndStories:
    """End stories and erase everything that people did with them, then say so, known or not, every time."""

    stories: Stories
    erasures: Erasures
    now: Clock

    async def expired(self, facts: Sequence[Fact[StoryExpired]]) -> None:
        """End them because their time is over, but not before this clock says so too.

        Raises:
            Unavailable: it is not over yet by this clock; shortly it will be.
            Unacceptable: it is not over for a long time.
        """
        await abreast(self._expire, {fact.event.story_id: fact.event for fact in facts}.values())

    async def deleted(self, facts: Sequence[Fact[StoryDeleted]]) -> None:
        """End them because they were taken back. Raises `Unacceptable` for a slip of an outsider."""
        for fact in facts:
            refuse_slips(fact)
        await abreast(self._delete, {fact.event.story_id: fact for fact in facts}.values())

    async def _expire(self, event: StoryExpired) -> None:
        ahead = event.expires_at - self.now()
        if ahead > TOO_EARLY:
            raise Unacceptable(f"expires only at {event.expires_at}")
        if ahead > timedelta(0):
            raise Unavailable("clock", f"the story lives for another {ahead.total_seconds():.3f} s")
        await self._end(event.story_id, "expired", event.expires_at)

    async def _delete(self, fact: Fact[StoryDeleted]) -> None:
        await self._end(fact.event.story_id, "deleted", min(fact.event.deleted_at, fact.appended_at))

    async def _end(self, story_id: str, how: Literal["expired", "deleted"], at: datetime) -> None:
        await self.stories.end(story_id, how, at)
        await self.stories.erase(story_id)
        await self.erasures.say_erased(StoryErased(story_id=story_id, store="engagement", erased_at=self.now()))
