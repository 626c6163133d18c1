"""Account erasure: delete all data of a user; an account with the same id starts empty."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from stories_shared.clock import Clock, truncate_to_ms

from stories_ingest.domain import transitions
from stories_ingest.domain.errors import NoSuchStory
from stories_ingest.domain.transitions import StoryChange, StorySnapshot
from stories_ingest.usecases.archive import EraseArchived
from stories_ingest.usecases.concurrency import for_each
from stories_ingest.usecases.endings import RECHECK_AFTER, ErasureLog
from stories_ingest.usecases.holds import LetGo
from stories_ingest.usecases.ports import OutboxRelay, StoryObjects, StoryRepository

PAGE = 100
"""Stories per query."""
CONCURRENCY = 4
"""Stories of an account that are erased concurrently."""


class Accounts(ErasureLog, Protocol):
    """Records of users besides their stories."""

    async def created_until(self, user_id: str, at: datetime, limit: int) -> list[str]:
        """Ids of the user's stories in any state, created no later than `at`."""

    async def unerased(self, user_id: str, at: datetime, limit: int) -> list[str]:
        """Ids of the user's ended stories, ended until `at` or by the erasure, whose media are not yet erased."""

    async def delete_user_records(self, user_id: str, at: datetime) -> None:
        """Delete a user's records until `at`, and the author id of ended stories that are published."""


@dataclass(frozen=True, slots=True)
class EraseAccount:
    """Erases a user's stories and all other records of the user.

    Each step queries what is left to do, so a retry resumes where the last attempt failed.
    """

    accounts: Accounts
    stories: StoryRepository
    objects: StoryObjects
    endings: OutboxRelay
    let_go: LetGo
    now: Clock
    new_id: Callable[[], str]
    erase_archived: EraseArchived

    async def __call__(self, user_id: str, at: datetime) -> None:
        """Delete every story created until `at`, publish each deletion, erase its media. Raises Unavailable.

        The archive comes after the stories: no story can expire into it any more.
        """
        while story_ids := await self.accounts.created_until(user_id, at, PAGE):
            for story_id in story_ids:
                await self._delete_series(story_id)
        while story_ids := await self.accounts.unerased(user_id, at, PAGE):
            await for_each(story_ids, self._erase, CONCURRENCY)
        await self.let_go.all_of(user_id, at)
        await self.erase_archived.of_author(user_id, at)
        await self.accounts.delete_user_records(user_id, at)

    async def _delete_series(self, story_id: str) -> None:
        def transition(snapshot: StorySnapshot) -> StoryChange:
            return transitions.delete(
                snapshot, by="erasure", series=True, now=truncate_to_ms(self.now()), new_id=self.new_id
            )

        with suppress(NoSuchStory):
            await self.stories.transact(story_id, transition)

    async def _erase(self, story_id: str) -> None:
        await self.endings.publish_now(story_id)
        await self.objects.erase(story_id)
        at = truncate_to_ms(self.now())
        await self.accounts.record_erasure(story_id, at, at + RECHECK_AFTER)
