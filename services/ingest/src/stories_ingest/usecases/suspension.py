"""Suspension of a user from creating stories, after a decision about a report."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from stories_shared.clock import Clock
from stories_shared.events import UserSuspended

REPLAY_LIMIT = timedelta(days=30)
"""Older events are skipped: the mark of an account erased since may be gone."""


class Suspensions(Protocol):
    """Stores suspensions."""

    async def suspend(self, user_id: str, at: datetime, until: datetime) -> None:
        """Suspend a user, unless the account was erased since `at`."""


@dataclass(frozen=True, slots=True)
class SuspendUser:
    """Handles `user-suspended`: creating and publishing are refused until the end of the suspension."""

    suspensions: Suspensions
    now: Clock

    async def __call__(self, event: UserSuspended, at: datetime) -> None:
        """Store the suspension made at `at`; one that is over changes nothing."""
        if event.until > self.now() and at > self.now() - REPLAY_LIMIT:
            await self.suspensions.suspend(event.user_id, at, event.until)
