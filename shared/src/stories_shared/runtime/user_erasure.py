"""The erasure of a user's data in one service: marked, done in bounded iterations, confirmed, and done a second time.

A user's data may be a few documents or millions. What the handler does not finish within its budget is continued in
the background by any replica, so that the erasures of others do not wait for it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.events import UserDataErased, UserErased
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.external_producers import clamp_to_append_time, receipt_id_of

BUDGET = timedelta(seconds=10)
"""How long one iteration may take."""
RESUME_EVERY = timedelta(seconds=5)
"""How often replicas look for an erasure to continue."""
LEASE = timedelta(seconds=30)
"""How long others leave a user to the replica that erases: several times the budget."""
RECHECK_AFTER = timedelta(seconds=65)
"""When what was written during the erasure is erased: no transaction or request that began before the mark lives so
long (MongoDB ends transactions after 60 s)."""


@dataclass(frozen=True, slots=True)
class ErasureMark:
    """A user whose data up to a time is to be erased, and the receipts that wait for it (none: the second pass)."""

    user_id: str
    until: datetime
    receipt_ids: tuple[str, ...]


class ErasedUsers(Protocol):
    """Stores the marks."""

    async def mark(self, user_id: str, until: datetime, receipt_id: str, lease_until: datetime) -> ErasureMark:
        """Mark a user, at least until the time of an earlier mark, and lease the erasure."""
        ...

    async def claim(self, now: datetime, lease_until: datetime) -> ErasureMark | None:
        """Lease the erasure that has been due for longest."""
        ...

    async def schedule(self, mark: ErasureMark, due_at: datetime) -> None:
        """Continue at a time."""
        ...

    async def finish(self, mark: ErasureMark, recheck_at: datetime | None) -> None:
        """Record that the receipts were confirmed, and when to erase again, unless the mark has changed since."""
        ...


@dataclass(frozen=True, slots=True)
class EraseUser:
    """Erases a user's data in this service and publishes `user-data-erased`, on each redelivery.

    Args:
        erase: deletes the user's data up to a time. It is cancelled when the budget is spent and called again, so each
            step of it must survive a crash, and must not be repeated once it is done.
    """

    service: Literal["ingest", "feed", "engagement"]
    erased_users: ErasedUsers
    erase: Callable[[str, datetime], Awaitable[object]]
    publish: Callable[[UserDataErased], Awaitable[object]]
    now: Clock
    budget: timedelta = BUDGET

    async def __call__(self, record: ReceivedEvent[UserErased]) -> None:
        """Mark the user, and erase within the budget. What is later belongs to a new, empty user."""
        user_id, until = record.event.user_id, clamp_to_append_time(record, record.event.at)
        await self._erase(await self.erased_users.mark(user_id, until, receipt_id_of(record), self.now() + LEASE))

    async def resume(self) -> bool:
        """Continue one erasure, or erase what was written during it; whether there may be more."""
        now = self.now()
        mark = await self.erased_users.claim(now, now + LEASE)
        if mark is not None:
            await self._erase(mark)
        return mark is not None

    async def _erase(self, mark: ErasureMark) -> None:
        try:
            async with asyncio.timeout(self.budget.total_seconds()) as budget:
                await self.erase(mark.user_id, mark.until)
        except TimeoutError:
            if not budget.expired():
                raise
            await self.erased_users.schedule(mark, self.now())
            return
        for receipt_id in mark.receipt_ids:
            erased_at = truncate_to_ms(self.now())
            await self.publish(
                UserDataErased(receipt_id=receipt_id, user_id=mark.user_id, service=self.service, erased_at=erased_at)
            )
        await self.erased_users.finish(mark, self.now() + RECHECK_AFTER if mark.receipt_ids else None)
