"""What no request cleans up: drafts left alone, objects without a story, uploads left open, erasures' second looks."""

from collections.abc import AsyncIterator, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from stories_shared.clock import Clock, whole_ms

from stories_ingest.domain import life
from stories_ingest.domain.errors import NoSuchStory
from stories_ingest.domain.keys import FINAL, STAGING, story_of
from stories_ingest.domain.life import Case, Verdict
from stories_ingest.usecases.accounts import EraseAccount
from stories_ingest.usecases.endings import EraseMedia
from stories_ingest.usecases.ports import Objects, Stories

UNHEARD_OF = timedelta(hours=1)
"""How long after a story's end its expiry may still be on its way."""
PAGE = 500
"""How much one look at the database or the bucket takes at a time."""


class Overdue(Protocol):
    """What is due to be cleaned up."""

    async def vanishing(self, now: datetime, limit: int) -> list[str]:
        """Drafts and refused stories whose time is over."""

    async def unheard_of(self, before: datetime, limit: int) -> list[str]:
        """Live stories whose time was over before then, and whose end nobody has told us."""

    async def to_look_at_again(self, now: datetime, limit: int) -> list[str]:
        """Ended stories whose objects are to be erased a second time."""

    async def looked_again(self, story_ids: Collection[str]) -> None:
        """Their second look is done."""

    async def accounts_to_look_at_again(self, now: datetime, limit: int) -> list[tuple[str, datetime]]:
        """Erased users, and until when what they had is to go."""


class Keys(Protocol):
    """Keys in the bucket."""

    def keys(self, prefix: str) -> AsyncIterator[str]:
        """Every key below a prefix."""

    async def remove(self, *keys: str) -> None:
        """Remove objects; what is not there is not missed."""

    async def abort_uploads(self) -> None:
        """Drop unfinished multipart uploads: this service makes none."""


class Rightful(Protocol):
    """Which keys stories have a right to."""

    async def uploads_wanted(self, story_ids: Collection[str]) -> set[str]:
        """Those of the stories that are drafts or being processed."""

    async def rightful(self, keys: Collection[str]) -> set[str]:
        """Those of the final keys that a live story shows or a running job may be writing."""


@dataclass(frozen=True, slots=True)
class VanishOverdue:
    """Drafts not published in time and refused stories after their day vanish, with what was uploaded."""

    overdue: Overdue
    stories: Stories
    objects: Objects
    now: Clock

    async def __call__(self) -> int:
        """How many vanished in this turn."""
        story_ids = await self.overdue.vanishing(self.now(), PAGE)
        for story_id in story_ids:
            with suppress(NoSuchStory):
                if (await self.stories.decide(story_id, self._vanish)).end:
                    await self.objects.erase(story_id)
        return len(story_ids)

    def _vanish(self, case: Case) -> Verdict:
        if case.story.posted is not None or not case.story.over(self.now()):
            return life.leave(case)
        return life.vanish(case, whole_ms(self.now()))


@dataclass(frozen=True, slots=True)
class EraseUnheardOf:
    """Media of a story whose end was never told do not stay: an hour after it they go all the same."""

    overdue: Overdue
    stories: Stories
    erase: EraseMedia
    now: Clock

    async def __call__(self) -> int:
        """How many stories were erased."""
        story_ids = await self.overdue.unheard_of(self.now() - UNHEARD_OF, PAGE)
        for story_id in story_ids:
            with suppress(NoSuchStory):
                await self.stories.decide(story_id, life.expire)
                await self.erase(story_id)
        return len(story_ids)


@dataclass(frozen=True, slots=True)
class SweepObjects:
    """Removes what lies in the bucket without a story that has a right to it, each time such a thing appears.

    A presigned form can be used again until its policy ends, and a worker that stalled may write late.
    """

    bucket: Keys
    stories: Rightful

    async def __call__(self) -> int:
        """How many objects were removed."""
        removed = 0
        async for page in _pages(self.bucket.keys(STAGING)):
            wanted = await self.stories.uploads_wanted({story_of(key) for key in page})
            removed += await self._remove([key for key in page if story_of(key) not in wanted])
        async for page in _pages(self.bucket.keys(FINAL)):
            rightful = await self.stories.rightful(page)
            removed += await self._remove([key for key in page if key not in rightful])
        await self.bucket.abort_uploads()
        return removed

    async def _remove(self, keys: list[str]) -> int:
        if keys:
            await self.bucket.remove(*keys)
        return len(keys)


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Erasure looks twice: what a stalled worker or request wrote after the first time goes with the second."""

    overdue: Overdue
    objects: Objects
    erase_account: EraseAccount
    now: Clock

    async def __call__(self) -> int:
        """How many stories and accounts were looked at."""
        story_ids = await self.overdue.to_look_at_again(self.now(), PAGE)
        if story_ids:
            await self.objects.erase(*story_ids)
            await self.overdue.looked_again(story_ids)
        accounts = await self.overdue.accounts_to_look_at_again(self.now(), PAGE)
        for user_id, at in accounts:
            await self.erase_account(user_id, at, again=False)
        return len(story_ids) + len(accounts)


async def _pages(keys: AsyncIterator[str]) -> AsyncIterator[list[str]]:
    page: list[str] = []
    async for key in keys:
        page.append(key)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page
