"""Delete stories."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.events.ids import new_id

from stories_ingest.domain import transitions
from stories_ingest.domain.errors import NoSuchStory
from stories_ingest.domain.story import Ended, EndReason, Requester
from stories_ingest.domain.transitions import StoryChange, StorySnapshot
from stories_ingest.usecases.archive import ArchiveRepository, EraseArchived
from stories_ingest.usecases.ports import CleanupRepository, OutboxRelay, StoryObjects, StoryRepository

PAGE = 100
"""Stories, or authors, per query."""
DELETE_WITHIN_S = 1.5
"""How long a request deletes all stories itself; a sweep does the rest."""


@dataclass(frozen=True, slots=True)
class DeleteStory:
    """Deletes a story; returns only when that is durable, published, and the media are erased."""

    stories: StoryRepository
    objects: StoryObjects
    endings: OutboxRelay
    now: Clock
    archive: ArchiveRepository
    erase_archived: EraseArchived

    async def __call__(self, requester: Requester, story_id: str, *, series: bool) -> None:
        """End the story in any state, and erase it from its author's archive. Repeating it succeeds again.

        The deletion of an expired story is published too: its insights and reposts go with it.

        Raises NoSuchStory, and Unavailable when the deletion cannot be confirmed; it is kept all the same.
        """
        owner = await self.archive.owner(story_id)
        try:
            ended = await self._end(requester, story_id, series=series)
            await self._delete_expired(requester, ended)
        except NoSuchStory:
            if owner is None or not requester.may_see(owner):
                raise
            ended = ()
        await self.erase_archived(story_id, *(story.id for story in ended))
        await asyncio.gather(*(self.endings.publish_now(story.id) for story in ended))
        await self.objects.erase(*(story.id for story in ended))

    async def _delete_expired(self, requester: Requester, ended: Sequence[Ended]) -> None:
        at = truncate_to_ms(self.now())
        for story in ended:
            if story.how is EndReason.EXPIRED and story.author_id is not None:
                by = "author" if requester.owns(story.author_id) else "admin"
                deleted = replace(story, how=EndReason.DELETED, by=by, event_id=new_id(), at=at)
                await self.stories.delete_expired(deleted)

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
        for part_ids in (await self.stories.part_ids([ended.series_id])).values():
            await self._delete(requester, part_ids[0], series=True)
        return tuple(await self.stories.ended_parts(ended.series_id))

    async def _delete(self, requester: Requester, story_id: str, *, series: bool) -> tuple[Ended, ...]:
        def transition(snapshot: StorySnapshot) -> StoryChange:
            author_id = snapshot.story.author_id
            if not requester.may_see(author_id):
                raise NoSuchStory(story_id)
            by = "author" if requester.owns(author_id) else "admin"
            return transitions.delete(snapshot, by=by, series=series, now=truncate_to_ms(self.now()), new_id=new_id)

        return (await self.stories.transact(story_id, transition)).ended


@dataclass(frozen=True, slots=True)
class DeleteAllStories:
    """Deletes all live stories of an author. The request is durable before anything is deleted."""

    cleanup: CleanupRepository
    stories: StoryRepository
    endings: OutboxRelay
    now: Clock

    async def __call__(self, author_id: str) -> int:
        """How many stories are being deleted; each is published as deleted, and its media erased after that."""
        until = truncate_to_ms(self.now())
        found = await self.cleanup.request_deletion(author_id, until)
        with suppress(TimeoutError):  # the sweep does the rest
            async with asyncio.timeout(DELETE_WITHIN_S):
                await self.delete(author_id, until)
        return found

    async def sweep(self) -> bool:
        """Continue what requests did not finish; return whether there may be more."""
        requested = await self.cleanup.requested_deletions(PAGE)
        for author_id, until in requested:
            await self.delete(author_id, until)
        return len(requested) == PAGE

    async def delete(self, author_id: str, until: datetime) -> None:
        """Delete the author's stories that were posted until then."""
        while story_ids := await self.cleanup.live_until(author_id, until, PAGE):
            for story_id in story_ids:
                now = truncate_to_ms(self.now())
                with suppress(NoSuchStory):
                    await self.stories.transact(
                        story_id, partial(transitions.delete, by="author", series=True, now=now, new_id=new_id)
                    )
            self.endings.wake()
        await self.cleanup.finish_deletion(author_id, until)
