"""What no request cleans up: drafts left alone, objects without a story, uploads left open, erasures' second looks."""

from collections.abc import Awaitable, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from stories_shared.clock import Clock, truncate_to_ms

from stories_ingest.domain import transitions
from stories_ingest.domain.errors import NoSuchStory
from stories_ingest.domain.transitions import StoryChange, StorySnapshot
from stories_ingest.usecases.concurrency import for_each
from stories_ingest.usecases.endings import EraseMedia
from stories_ingest.usecases.erasure import EraseAccount
from stories_ingest.usecases.ports import StoryObjects, StoryRepository

EXPIRY_GRACE = timedelta(hours=1)
"""How long after a story's end its expiry may still be on its way."""
PAGE = 40
"""How many stories or accounts one turn takes: with a store that answers each call only just in time, half a minute."""
CONCURRENCY = 4
"""How many of them at a time: requests want the bucket too."""
KEYS_PER_PAGE = 1_000
"""How many keys a page of the bucket has, as many as S3 lists at once."""
MAX_SWEEP_TIME = timedelta(seconds=10)
"""After how long a walk through the bucket rests, remembers where it is and lets itself be seen alive."""


class CleanupQueue(Protocol):
    """What is due to be cleaned up."""

    async def discardable(self, now: datetime, limit: int) -> list[str]:
        """Drafts and refused stories whose time is over."""

    async def missed_expiries(self, before: datetime, limit: int) -> list[str]:
        """Live stories whose time was over before then, and whose end nobody has told us."""

    async def due_rechecks(self, now: datetime, limit: int) -> list[str]:
        """Ended stories whose objects are to be erased a second time."""

    async def clear_recheck(self, story_id: str) -> None:
        """Its second look is done."""

    async def due_account_rechecks(self, now: datetime, limit: int) -> list[tuple[str, datetime]]:
        """Erased users, and until when what they had is to go."""

    async def clear_account_recheck(self, user_id: str, until: datetime) -> None:
        """Its second look is done, unless one was asked for meanwhile that is due after `until`."""


class ObjectListing(Protocol):
    """Keys in the bucket."""

    async def page(self, prefix: str, after: str, limit: int) -> list[str]:
        """The first keys below a prefix that come after this one, in order."""

    async def remove(self, *keys: str) -> None:
        """Remove objects; what is not there is not missed."""


class Position(Protocol):
    """How far a walk has come, kept beyond the process; whoever advances it goes on holding the lease of the walk."""

    async def load(self) -> str:
        """Where to go on; empty for the beginning."""

    async def advance(self, position: str) -> bool:
        """Remember where to go on; False when another replica has taken over."""


class ReferencedKeys(Protocol):
    """Which keys stories have a right to."""

    def __call__(self, keys: Collection[str], /) -> Awaitable[Collection[str]]:
        """Those of the keys that stay."""


@dataclass(frozen=True, slots=True)
class DiscardOverdue:
    """Drafts not published in time and refused stories after their day vanish, with what was uploaded."""

    cleanup: CleanupQueue
    stories: StoryRepository
    objects: StoryObjects
    now: Clock

    async def __call__(self) -> bool:
        """One page of them; whether there may be more."""
        story_ids = await self.cleanup.discardable(self.now(), PAGE)
        await for_each(story_ids, self._end, CONCURRENCY)
        return len(story_ids) == PAGE

    async def _end(self, story_id: str) -> None:
        with suppress(NoSuchStory):
            if (await self.stories.transact(story_id, self._discard)).ended:
                await self.objects.erase(story_id)

    def _discard(self, snapshot: StorySnapshot) -> StoryChange:
        if snapshot.story.posted is not None or not snapshot.story.is_over(self.now()):
            return transitions.no_change(snapshot)
        return transitions.discard(snapshot, truncate_to_ms(self.now()))


@dataclass(frozen=True, slots=True)
class EraseMissedExpiries:
    """Media of a story whose end was never told do not stay: an hour after it they go all the same."""

    cleanup: CleanupQueue
    stories: StoryRepository
    erase: EraseMedia
    now: Clock

    async def __call__(self) -> bool:
        """One page of them; whether there may be more."""
        story_ids = await self.cleanup.missed_expiries(self.now() - EXPIRY_GRACE, PAGE)
        await for_each(story_ids, self._end, CONCURRENCY)
        return len(story_ids) == PAGE

    async def _end(self, story_id: str) -> None:
        with suppress(NoSuchStory):
            await self.stories.transact(story_id, transitions.expire)
            await self.erase(story_id)


@dataclass(frozen=True, slots=True)
class SweepObjects:
    """Removes what lies below a prefix without a story that has a right to it, each time such a thing appears.

    A presigned form can be used again until its policy ends, and a worker that stalled may write late. The walk goes
    page by page through the keys, over several turns and replicas, and begins anew after its end.

    Args:
        bucket: what lies there.
        prefix: below which keys.
        wanted: which of them stay.
        pages: how many one turn looks at.
        rests: whether a turn that does not reach the end lets its loop pause all the same.
    """

    bucket: ObjectListing
    prefix: str
    referenced: ReferencedKeys
    now: Clock
    pages: int
    always_pause: bool = False

    async def __call__(self, position: Position) -> bool:
        """Go on for a while; whether there is more that is to be looked at without a pause."""
        after, until = await position.load(), self.now() + MAX_SWEEP_TIME
        for _ in range(self.pages):
            page = await self.bucket.page(self.prefix, after, KEYS_PER_PAGE)
            kept = await self.referenced(page)
            await self.bucket.remove(*(key for key in page if key not in kept))
            after = page[-1] if len(page) == KEYS_PER_PAGE else ""
            if not await position.advance(after):
                return False
            if not after or self.now() >= until:
                break
        return bool(after) and not self.always_pause


@dataclass(frozen=True, slots=True)
class RecheckErasures:
    """Erasure looks twice: what a stalled worker or request wrote after the first time goes with the second."""

    cleanup: CleanupQueue
    objects: StoryObjects
    erase_account: EraseAccount
    now: Clock

    async def __call__(self) -> bool:
        """One page of stories and one of accounts; whether there may be more."""
        now = self.now()
        story_ids = await self.cleanup.due_rechecks(now, PAGE)
        await for_each(story_ids, self._recheck_story, CONCURRENCY)
        accounts = await self.cleanup.due_account_rechecks(now, PAGE)
        await for_each(accounts, lambda account: self._recheck_account(*account, now), CONCURRENCY)
        return PAGE in (len(story_ids), len(accounts))

    async def _recheck_story(self, story_id: str) -> None:
        await self.objects.erase(story_id)
        await self.cleanup.clear_recheck(story_id)

    async def _recheck_account(self, user_id: str, at: datetime, until: datetime) -> None:
        await self.erase_account.erase(user_id, at)
        await self.cleanup.clear_account_recheck(user_id, until)
