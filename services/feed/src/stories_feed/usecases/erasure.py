"""Erasure of a user: edges both ways, seen marks, stories."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.events import UserDataErased, UserErased
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.external_producers import clamp_to_append_time, receipt_id_of
from stories_shared.events.outgoing import OutgoingEvent

from stories_feed.usecases.endings import EventPublisher


class UserData(Protocol):
    """Everything that is stored about users."""

    async def begin_erasure(self, user_id: str, at: datetime) -> bool:
        """Mark the user as erased at a time; events that are not later are ignored from now on.

        Returns:
            Whether there is anything to erase: False if an erasure at that time or later was finished.
        """
        ...

    async def erase(self, user_id: str, at: datetime) -> bool:
        """Erase one bounded batch of what is not later than ``at``; True while there may be more."""
        ...

    async def finish_erasure(self, user_id: str, at: datetime) -> None:
        """Mark the erasure as done."""
        ...


@dataclass(frozen=True, slots=True)
class EraseUser:
    """Erase a user and publish the erasure, also on redelivery."""

    user_data: UserData
    publisher: EventPublisher
    now: Clock

    async def __call__(self, record: ReceivedEvent[UserErased]) -> None:
        """Erase everything that is not later than the erasure. What is later belongs to a new, empty user."""
        event = record.event
        at = clamp_to_append_time(record, event.at)
        if await self.user_data.begin_erasure(event.user_id, at):
            while await self.user_data.erase(event.user_id, at):
                pass
            await self.user_data.finish_erasure(event.user_id, at)
        erased = UserDataErased(
            receipt_id=receipt_id_of(record),
            user_id=event.user_id,
            service="feed",
            erased_at=truncate_to_ms(self.now()),
        )
        await self.publisher.publish_all([OutgoingEvent(erased)])
