"""Privacy: whether a user's views are listed."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from stories_shared.clock import Clock, truncate_to_ms


@dataclass(frozen=True, slots=True)
class Unlisting:
    """A user to be removed from all lists of viewers, and the progress of it.

    `at` is the time of the setting that asked for it, `until` that of the last view to be unlisted, `after` the
    position that was reached.
    """

    user_id: str
    at: datetime
    until: datetime
    after: str = ""


class PrivacyRepository(Protocol):
    """Stores whether a user's views are listed, and who is still to be removed from lists."""

    async def listed(self, user_id: str) -> bool: ...

    async def set_listed(self, user_id: str, listed: bool, at: datetime) -> None: ...

    async def claim_unlisting(self, now: datetime, until: datetime) -> Unlisting | None:
        """Lease the oldest one until `until`."""

    async def keep_progress(self, work: Unlisting, now: datetime) -> None:
        """Store the progress and release the lease, behind the others."""

    async def unlisted(self, work: Unlisting) -> None:
        """Record that it is done, unless the setting has changed since."""


UNLIST_STEPS = 5
"""Batches of rows unlisted within a request, or in one iteration: milliseconds each."""

UNLIST_FOR = timedelta(seconds=30)
"""The lease of a replica on unlisting a user."""


@dataclass(frozen=True, slots=True)
class Unlist:
    """Removes users from lists of viewers, in bounded steps. Lists leave them out before that (usecases/views.py).

    `unlist_some` unlists a batch of a user's rows up to a time, after a position, and returns the position that was
    reached, None where no more are left.
    """

    privacy: PrivacyRepository
    unlist_some: Callable[[str, datetime, str], Awaitable[str | None]]
    now: Clock

    async def some(self, work: Unlisting) -> None:
        """A bounded number of steps for one user."""
        for _ in range(UNLIST_STEPS):
            after = await self.unlist_some(work.user_id, work.until, work.after)
            if after is None:
                await self.privacy.unlisted(work)
                return
            work = replace(work, after=after)
        await self.privacy.keep_progress(work, self.now())

    async def __call__(self) -> bool:
        """Continue with one user; whether there was one."""
        now = self.now()
        work = await self.privacy.claim_unlisting(now, now + UNLIST_FOR)
        if work is not None:
            await self.some(work)
        return work is not None


@dataclass(frozen=True, slots=True)
class SetPrivacy:
    """Turn the caller's view history on or off. Off removes them from every list at once and for good."""

    privacy: PrivacyRepository
    unlist: Unlist
    now: Clock

    async def __call__(self, user_id: str, listed: bool) -> None:
        now = truncate_to_ms(self.now())
        await self.privacy.set_listed(user_id, listed, now)
        if not listed:
            await self.unlist.some(Unlisting(user_id, now, now))
