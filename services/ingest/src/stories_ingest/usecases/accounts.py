"""Account erasure: everything of a user goes, and the account that comes after it begins empty."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from stories_shared.clock import Clock, whole_ms
from stories_shared.events import UserDataErased

from stories_ingest.domain import life
from stories_ingest.domain.errors import NoSuchStory
from stories_ingest.domain.life import Case, Verdict
from stories_ingest.domain.story import How
from stories_ingest.usecases.endings import SECOND_LOOK
from stories_ingest.usecases.ports import News, Objects, Relay, Stories

PAGE = 100
"""How many stories are ended before the next are read."""


class Accounts(Protocol):
    """What is kept of users beside their stories."""

    async def mark_erased(self, user_id: str, at: datetime, again_at: datetime | None) -> None:
        """Note that what the user had until `at` is to be erased, and when to look again, if at all."""

    async def made_until(self, user_id: str, at: datetime, limit: int) -> list[str]:
        """Ids of the user's stories, in any state, created not later than `at`."""

    async def forget(self, user_id: str, at: datetime) -> None:
        """Drop idempotency claims, the quota of before, and the user's name on ended stories that are said."""


@dataclass(frozen=True, slots=True)
class EraseAccount:
    """Erases a user's stories and everything kept about the user."""

    accounts: Accounts
    stories: Stories
    objects: Objects
    endings: Relay
    now: Clock
    new_id: Callable[[], str]

    async def __call__(self, user_id: str, at: datetime, *, again: bool = True) -> None:
        """End every story made until `at`, each deletion said, its media gone. Raises Unavailable."""
        await self.accounts.mark_erased(user_id, at, self.now() + SECOND_LOOK if again else None)
        while story_ids := await self.accounts.made_until(user_id, at, PAGE):
            for story_id in story_ids:
                await self._end(story_id)
        await self.accounts.forget(user_id, at)

    async def _end(self, story_id: str) -> None:
        def rule(case: Case) -> Verdict:
            return life.delete(case, by="erasure", series=True, now=whole_ms(self.now()), new_id=self.new_id)

        with suppress(NoSuchStory):
            ended = (await self.stories.decide(story_id, rule)).end
            await asyncio.gather(*(self.endings.say_now(part.id) for part in ended if part.how is How.DELETED))
            await self.objects.erase(*(part.id for part in ended))


@dataclass(frozen=True, slots=True)
class ForgetUser:
    """Hears that an account is to be erased."""

    erase: EraseAccount
    news: News
    now: Clock

    async def __call__(self, user_id: str, at: datetime, receipt_id: str) -> None:
        """Erase, then say so, every time. Raises Unavailable."""
        await self.erase(user_id, at)
        await self.news.say(
            UserDataErased(receipt_id=receipt_id, user_id=user_id, service="ingest", erased_at=whole_ms(self.now()))
        )
