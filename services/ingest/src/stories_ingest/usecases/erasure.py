"""Account erasure: everything of a user goes, and the account that comes after it begins empty."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.events import UserDataErased

from stories_ingest.domain import transitions
from stories_ingest.domain.errors import NoSuchStory
from stories_ingest.domain.transitions import StoryChange, StorySnapshot
from stories_ingest.usecases.concurrency import for_each
from stories_ingest.usecases.endings import RECHECK_AFTER, ErasureLog
from stories_ingest.usecases.ports import EventPublisher, OutboxRelay, StoryObjects, StoryRepository

PAGE = 100
"""How many stories are ended before the next are read."""
CONCURRENCY = 4
"""How many stories of an account are erased at a time."""


class Accounts(ErasureLog, Protocol):
    """What is kept of users beside their stories."""

    async def mark_erased(self, user_id: str, at: datetime, marked_at: datetime, recheck_at: datetime) -> None:
        """Note that what the user had until `at` is to be erased, when we learned of it, and when to look again.

        The mark is dropped a while after `marked_at`, since `at` may be any time that an outsider names.
        """

    async def created_until(self, user_id: str, at: datetime, limit: int) -> list[str]:
        """Ids of the user's stories, in any state, created not later than `at`."""

    async def unerased(self, user_id: str, at: datetime, limit: int) -> list[str]:
        """Ids of the user's ended stories, ended until `at` or by the erasure, whose media are not yet erased."""

    async def forget(self, user_id: str, at: datetime) -> None:
        """Drop idempotency claims, the quota of before, and the user's name on ended stories that are said."""


@dataclass(frozen=True, slots=True)
class EraseAccount:
    """Erases a user's stories and everything kept about the user.

    Each step finds in the database what is left to do, so what fails on the way goes on where it stopped.
    """

    accounts: Accounts
    stories: StoryRepository
    objects: StoryObjects
    endings: OutboxRelay
    now: Clock
    new_id: Callable[[], str]

    async def __call__(self, user_id: str, at: datetime) -> None:
        """Erase the account now, and have it looked at again. Raises Unavailable."""
        now = truncate_to_ms(self.now())
        await self.accounts.mark_erased(user_id, at, now, now + RECHECK_AFTER)
        await self.erase(user_id, at)

    async def erase(self, user_id: str, at: datetime) -> None:
        """End every story made until `at`, each deletion said, its media gone. Raises Unavailable."""
        while story_ids := await self.accounts.created_until(user_id, at, PAGE):
            for story_id in story_ids:
                await self._delete_series(story_id)
        while story_ids := await self.accounts.unerased(user_id, at, PAGE):
            await for_each(story_ids, self._erase, CONCURRENCY)
        await self.accounts.forget(user_id, at)

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
        await self.accounts.erased(story_id, at, at + RECHECK_AFTER)


@dataclass(frozen=True, slots=True)
class ForgetUser:
    """Hears that an account is to be erased."""

    erase: EraseAccount
    publisher: EventPublisher
    now: Clock

    async def __call__(self, user_id: str, at: datetime, receipt_id: str) -> None:
        """Erase, then say so, every time. Raises Unavailable."""
        await self.erase(user_id, at)
        await self.publisher.publish(
            UserDataErased(
                receipt_id=receipt_id, user_id=user_id, service="ingest", erased_at=truncate_to_ms(self.now())
            )
        )
