"""Erasure of accounts: the request, confirmations of services, the receipt."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.events import Event, UserDataErased, UserErased
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.external_producers import clamp_to_append_time, receipt_id_of
from stories_shared.events.ids import deterministic_id, new_id

from stories_expiry.domain.accounts import AccountReceipt, ErasureRequest, ServiceConfirmation
from stories_expiry.usecases.endings import OutageDetector, ResendUnconfirmed
from stories_expiry.usecases.ports import AccountRepository, StoryRepository


@dataclass(frozen=True, slots=True)
class EraseAccount:
    """Request the erasure of a user; `notify` wakes the outbox."""

    accounts: AccountRepository
    now: Clock
    notify: Callable[[], None]

    async def __call__(self, user_id: str, receipt_id: str) -> AccountReceipt:
        """Open the receipt, or find it by this id. Returns when it is durable; the outbox publishes the event."""
        now = truncate_to_ms(self.now())
        receipt = await self.accounts.open_receipt(
            ErasureRequest(receipt_id, user_id, now, new_id()), now, published=False
        )
        self.notify()
        return receipt


@dataclass(frozen=True, slots=True)
class EraseUserData:
    """Erase a user's data in expiry, and open the receipt of external requests."""

    accounts: AccountRepository
    stories: StoryRepository
    publish: Callable[[Event], Awaitable[None]]
    now: Clock

    async def __call__(self, record: ReceivedEvent[UserErased]) -> None:
        """Open the receipt if it does not exist, erase the data, and publish the confirmation."""
        event = record.event
        erasure = ErasureRequest(
            receipt_id=receipt_id_of(record),
            user_id=event.user_id,
            at=clamp_to_append_time(record, event.at),
            event_id=record.id or deterministic_id(record.identity),
        )
        now = truncate_to_ms(self.now())
        await self.accounts.open_receipt(erasure, now, published=True)
        await self.stories.forget_author(erasure.user_id, erasure.at, now)
        await self.publish(
            UserDataErased(receipt_id=erasure.receipt_id, user_id=erasure.user_id, service="expiry", erased_at=now)
        )


@dataclass(frozen=True, slots=True)
class AcceptServiceConfirmation:
    """Record a service's confirmation. After an outage of the service its open requests are republished at once."""

    accounts: AccountRepository
    resend: ResendUnconfirmed
    outages: OutageDetector
    now: Clock

    async def __call__(self, event: UserDataErased) -> None:
        """Record it in the receipt."""
        await self.accounts.accept(
            ServiceConfirmation(event.receipt_id, event.user_id, event.service, event.erased_at), self.now()
        )
        for service in self.outages.ended_by([event.service]):
            await self.resend.hasten(service)
