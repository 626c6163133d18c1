"""Ending a story at its author's or an admin's wish."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from stories_shared.clock import Clock, truncate_to_ms

from stories_ingest.domain import transitions
from stories_ingest.domain.errors import NoSuchStory
from stories_ingest.domain.story import Ended, EndReason, Requester
from stories_ingest.domain.transitions import StoryChange, StorySnapshot
from stories_ingest.usecases.endings import RECHECK_AFTER, ErasureLog
from stories_ingest.usecases.ports import OutboxRelay, SeriesRepository, StoryObjects, StoryRepository


@dataclass(frozen=True, slots=True)
class CancelStory:
    """Lets a draft or a processing story vanish with its upload."""

    stories: StoryRepository
    objects: StoryObjects
    marks: ErasureLog
    now: Clock

    async def __call__(self, asker: Requester, story_id: str) -> None:
        """Raises NoSuchStory, WrongState when it is live or refused, and Unavailable("s3") until its upload is gone."""

        def rule(case: StorySnapshot) -> StoryChange:
            if not asker.owns(case.story.author_id) or case.story.over(self.now()):
                raise NoSuchStory(story_id)
            return transitions.cancel(case, truncate_to_ms(self.now()))

        try:
            await self.stories.decide(story_id, rule)
        except NoSuchStory:
            await self._unless_half_done(asker, story_id)
        await self.objects.erase(story_id)
        at = truncate_to_ms(self.now())
        await self.marks.erased(story_id, at, at + RECHECK_AFTER)

    async def _unless_half_done(self, asker: Requester, story_id: str) -> None:
        """Asked again after its upload could not be reached: the rest is done now. Else raises NoSuchStory."""
        ended = await self.stories.ended(story_id)
        half_done = ended is not None and ended.how is EndReason.VANISHED and ended.erased_at is None
        if ended is None or not half_done or not asker.owns(ended.author_id):
            raise NoSuchStory(story_id)


@dataclass(frozen=True, slots=True)
class DeleteStory:
    """Ends a story for good, and confirms it only when it is durable, said, and its media are gone."""

    stories: StoryRepository
    series: SeriesRepository
    objects: StoryObjects
    endings: OutboxRelay
    now: Clock
    new_id: Callable[[], str]

    async def __call__(self, asker: Requester, story_id: str, *, series: bool) -> None:
        """End it, in whatever state; asking again for what the author once had is confirmed again.

        Raises NoSuchStory, and Unavailable where it cannot be confirmed; the deletion stands, whoever stops waiting.
        """
        ended = await self._end(asker, story_id, series=series)
        await asyncio.gather(*(self.endings.publish_now(story.id) for story in ended if story.how is EndReason.DELETED))
        await self.objects.erase(*(story.id for story in ended))

    async def _end(self, asker: Requester, story_id: str, *, series: bool) -> tuple[Ended, ...]:
        """Everything that this deletion is about, ended now or before."""
        try:
            return await self._decide(asker, story_id, series=series)
        except NoSuchStory:
            ended = await self.stories.ended(story_id)
        if ended is None or ended.author_id is None or not asker.may_see(ended.author_id):
            raise NoSuchStory(story_id)
        if not series or ended.series_id is None:
            return (ended,)
        for living in (await self.series.part_ids([ended.series_id])).values():
            await self._decide(asker, living[0], series=True)
        return tuple(await self.series.ended_parts(ended.series_id))

    async def _decide(self, asker: Requester, story_id: str, *, series: bool) -> tuple[Ended, ...]:
        def rule(case: StorySnapshot) -> StoryChange:
            author_id = case.story.author_id
            if not asker.may_see(author_id):
                raise NoSuchStory(story_id)
            by = "author" if asker.owns(author_id) else "admin"
            return transitions.delete(case, by=by, series=series, now=truncate_to_ms(self.now()), new_id=self.new_id)

        return (await self.stories.decide(story_id, rule)).end
