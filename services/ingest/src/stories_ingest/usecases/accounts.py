"""Account erasure and suspension."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.concurrency import gather_limited
from stories_shared.events import UserSuspended
from stories_shared.events.ids import new_id

from stories_ingest.domain import transitions
from stories_ingest.domain.errors import NoSuchStory
from stories_ingest.usecases.archive import EraseArchived
from stories_ingest.usecases.endings import RECHECK_AFTER
from stories_ingest.usecases.holds import ReleaseHolds
from stories_ingest.usecases.ports import CleanupRepository, OutboxRelay, StoryObjects, StoryRepository

PAGE = 100
"""Stories per query."""
CONCURRENCY = 4
"""Stories of an account that are erased concurrently."""
REPLAY_LIMIT = timedelta(days=30)
"""Older events are skipped: the mark of an account erased since may be gone."""


@dataclass(frozen=True, slots=True)
class EraseAccount:
    """Erases a user's stories and all other records of the user.

    Each step queries what is left to do, so a retry resumes where the last attempt failed.
    """

    cleanup: CleanupRepository
    stories: StoryRepository
    objects: StoryObjects
    endings: OutboxRelay
    release_holds: ReleaseHolds
    now: Clock
    erase_archived: EraseArchived

    async def __call__(self, user_id: str, at: datetime) -> None:
        """Delete every story created until `at`, publish each deletion, erase its media. Raises Unavailable.

        The archive comes after the stories: no story can expire into it any more.
        """
        while story_ids := await self.cleanup.created_until(user_id, at, PAGE):
            for story_id in story_ids:
                now = truncate_to_ms(self.now())
                with suppress(NoSuchStory):
                    await self.stories.transact(
                        story_id, partial(transitions.delete, by="erasure", series=True, now=now, new_id=new_id)
                    )
        while story_ids := await self.cleanup.unerased(user_id, at, PAGE):
            await gather_limited(self._erase, story_ids, CONCURRENCY)
        await self.release_holds.all_of(user_id, at)
        await self.erase_archived.of_author(user_id, at)
        await self.cleanup.delete_user_records(user_id, at)

    async def _erase(self, story_id: str) -> None:
        await self.endings.publish_now(story_id)
        await self.objects.erase(story_id)
        at = truncate_to_ms(self.now())
        await self.cleanup.record_erasure([story_id], at, at + RECHECK_AFTER)


@dataclass(frozen=True, slots=True)
class SuspendUser:
    """Handles `user-suspended`: creating and publishing are refused until the end of the suspension.

    `suspend` stores one, unless the account was erased since it was made.
    """

    suspend: Callable[[str, datetime, datetime], Awaitable[None]]
    now: Clock

    async def __call__(self, event: UserSuspended, at: datetime) -> None:
        """Store the suspension made at `at`; one that is over changes nothing."""
        if event.until > self.now() and at > self.now() - REPLAY_LIMIT:
            await self.suspend(event.user_id, at, event.until)
