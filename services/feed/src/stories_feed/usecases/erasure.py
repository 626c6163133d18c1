"""A user is forgotten: edges both ways, what they saw, what they posted."""

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
    """All that is kept about users."""

    async def begin_erasure(self, user_id: str, at: datetime) -> bool:
        """Mark the user as erased at a time, from which facts that are not later are ignored.

        Returns:
            Whether anything is still to be erased: not where an erasure of that time or a later one was finished.
        """
        ...

    async def erase(self, user_id: str, at: datetime) -> bool:
        """Erase a bounded share of what the user has from before the time; True while there may be more."""
        ...

    async def finish_erasure(self, user_id: str, at: datetime) -> None:
        """Note that nothing from before the time is left."""
        ...


@dataclass(frozen=True, slots=True)
class EraseUser:
    """Erase a user, and say so every time it is heard."""

    people: UserData
    sayings: EventPublisher
    now: Clock

    async def __call__(self, fact: ReceivedEvent[UserErased]) -> None:
        """Erase everything that is not later than the erasure, which belongs to a new, empty user."""
        event = fact.event
        at = clamp_to_append_time(fact, event.at)
        if await self.people.begin_erasure(event.user_id, at):
            while await self.people.erase(event.user_id, at):
                pass
            await self.people.finish_erasure(event.user_id, at)
        erased = UserDataErased(
            receipt_id=receipt_id_of(fact),
            user_id=event.user_id,
            service="feed",
            erased_at=truncate_to_ms(self.now()),
        )
        await self.sayings.publish_all([OutgoingEvent(erased)])
