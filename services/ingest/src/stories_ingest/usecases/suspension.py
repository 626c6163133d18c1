"""Suspension of a user from creating stories, after a decision about a report."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from stories_shared.clock import Clock
from stories_shared.events import UserSuspended

REPLAY_LIMIT = timedelta(days=30)
"""Older events are skipped: the mark of an account erased since may be gone."""


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
