"""Erasure of a user: marks, deletion up to a time, and the confirmation."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.events import UserDataErased, UserErased
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.external_producers import clamp_to_append_time, receipt_id_of


class ErasedUsers(Protocol):
    """Stores marks of erased users and deletes their data."""

    async def mark_erased(self, user_id: str, at: datetime, recheck_at: datetime) -> datetime: ...

    async def erase_user(self, user_id: str, until: datetime) -> None: ...

    async def due_for_recheck(self, now: datetime, limit: int) -> Sequence[tuple[str, datetime]]: ...

    async def mark_rechecked(self, user_id: str, at: datetime) -> None: ...


class DataErasedPublisher(Protocol):
    """Publishes `user-data-erased`."""

    async def publish_data_erased(self, event: UserDataErased) -> None: ...


def erased_until(record: ReceivedEvent[UserErased]) -> datetime:
    """Up to when the user's data is erased. External times are capped at the append time."""
    return clamp_to_append_time(record, record.event.at)


RECHECK_AFTER = timedelta(seconds=65)
"""Longer than any transaction or request that began before the mark can live (MongoDB ends transactions at 60 s)."""

RECHECK_BATCH = 100
"""Users per iteration of the recheck."""


@dataclass(frozen=True, slots=True)
class EraseUser:
    """Erase a user's views, comments, reactions, shares and settings up to a time, and confirm it every time.

    Counts of live stories decrease with it, so that a count stays equal to its list.
    """

    users: ErasedUsers
    publisher: DataErasedPublisher
    now: Clock

    async def __call__(self, record: ReceivedEvent[UserErased]) -> None:
        event, at = record.event, erased_until(record)
        until = await self.users.mark_erased(event.user_id, at, self.now() + RECHECK_AFTER)
        await self.users.erase_user(event.user_id, until)
        receipt_id = receipt_id_of(record)
        await self.publisher.publish_data_erased(
            UserDataErased(
                receipt_id=receipt_id, user_id=event.user_id, service="engagement", erased_at=truncate_to_ms(self.now())
            )
        )

    async def recheck(self) -> int:
        """Erase what was written while users were being erased; the number of users rechecked."""
        waiting = await self.users.due_for_recheck(self.now(), RECHECK_BATCH)
        for user_id, at in waiting:
            await self.users.erase_user(user_id, at)
            await self.users.mark_rechecked(user_id, at)
        return len(waiting)
