"""Cancel and delete stories."""

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
    """Discards a draft or a processing story and its upload."""

    stories: StoryRepository
    objects: StoryObjects
    erasure_log: ErasureLog
    now: Clock

    async def __call__(self, requester: Requester, story_id: str) -> None:
        """Raises NoSuchStory, WrongState if it is live or refused, and Unavailable("s3") until its upload is erased."""

        def transition(snapshot: StorySnapshot) -> StoryChange:
            if not requester.owns(snapshot.story.author_id) or snapshot.story.is_over(self.now()):
                raise NoSuchStory(story_id)
            return transitions.cancel(snapshot, truncate_to_ms(self.now()))

        try:
            await self.stories.transact(story_id, transition)
        except NoSuchStory:
            await self._require_unfinished(requester, story_id)
        await self.objects.erase(story_id)
        at = truncate_to_ms(self.now())
        await self.erasure_log.record_erasure(story_id, at, at + RECHECK_AFTER)

    async def _require_unfinished(self, requester: Requester, story_id: str) -> None:
        """Allow a retry after the upload could not be erased. Raises NoSuchStory otherwise."""
        ended = await self.stories.ended(story_id)
        unfinished = ended is not None and ended.how is EndReason.DISCARDED and ended.erased_at is None
        if ended is None or not unfinished or not requester.owns(ended.author_id):
            raise NoSuchStory(story_id)


@dataclass(frozen=True, slots=True)
class DeleteStory:
    """Deletes a story; returns only when that is durable, published, and the media are erased."""

    stories: StoryRepository
    series: SeriesRepository
    objects: StoryObjects
    endings: OutboxRelay
    now: Clock
    new_id: Callable[[], str]

    async def __call__(self, requester: Requester, story_id: str, *, series: bool) -> None:
        """End the story in any state. Repeating it succeeds again.

        Raises NoSuchStory, and Unavailable when the deletion cannot be confirmed; it is kept all the same.
        """
        ended = await self._end(requester, story_id, series=series)
        await asyncio.gather(*(self.endings.publish_now(story.id) for story in ended if story.how is EndReason.DELETED))
        await self.objects.erase(*(story.id for story in ended))

    async def _end(self, requester: Requester, story_id: str, *, series: bool) -> tuple[Ended, ...]:
        """The stories that this deletion covers, ended now or earlier."""
        try:
            return await self._delete(requester, story_id, series=series)
        except NoSuchStory:
            ended = await self.stories.ended(story_id)
        if ended is None or ended.author_id is None or not requester.may_see(ended.author_id):
            raise NoSuchStory(story_id)
        if not series or ended.series_id is None:
            return (ended,)
        for part_ids in (await self.series.part_ids([ended.series_id])).values():
            await self._delete(requester, part_ids[0], series=True)
        return tuple(await self.series.ended_parts(ended.series_id))

    async def _delete(self, requester: Requester, story_id: str, *, series: bool) -> tuple[Ended, ...]:
        def transition(snapshot: StorySnapshot) -> StoryChange:
            author_id = snapshot.story.author_id
            if not requester.may_see(author_id):
                raise NoSuchStory(story_id)
            by = "author" if requester.owns(author_id) else "admin"
            return transitions.delete(
                snapshot, by=by, series=series, now=truncate_to_ms(self.now()), new_id=self.new_id
            )

        return (await self.stories.transact(story_id, transition)).ended
