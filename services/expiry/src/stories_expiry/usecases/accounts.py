"""Erasure of accounts: the request, confirmations of services, the receipt."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from stories_shared.clock import Clock, truncate_to_ms
from stories_shared.events import Event, UserDataErased, UserErased
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.external_producers import clamp_to_append_time, receipt_id_of
from stories_shared.events.ids import deterministic_id, new_id

from stories_expiry.domain.accounts import AccountReceipt, ErasureRequest, ServiceAnswer
from stories_expiry.usecases.endings import OutageDetector, ResendUnanswered


class ErasureRequests(Protocol):
    """Stores erasure requests."""

    async def open_receipt(self, erasure: ErasureRequest, now: datetime, *, published: bool) -> AccountReceipt:
        """Open the receipt unless it exists, pending unless the event was published; the current receipt."""
        ...


class Authors(Protocol):
    """The receipts of one author's stories."""

    async def forget_author(self, user_id: str, at: datetime, now: datetime) -> None:
        """Delete receipts of stories posted by ``at`` 30 days after they are complete, not later."""
        ...


class ServiceAnswers(Protocol):
    """Stores confirmations of services."""

    async def accept(self, answer: ServiceAnswer, now: datetime) -> None:
        """Record the first confirmation of each service; the last one completes the receipt."""
        ...


class AccountReceipts(Protocol):
    """Reads receipts of account erasures."""

    async def latest(self, user_id: str) -> AccountReceipt | None:
        """The receipt of the latest request for the user, or None."""
        ...


class PublishEvent(Protocol):
    """Publishes one event; returns when it is acknowledged."""

    async def __call__(self, event: Event) -> None: ...


@dataclass(frozen=True, slots=True)
class EraseAccount:
    """Request the erasure of a user; ``notify`` wakes the outbox."""

    requests: ErasureRequests
    now: Clock
    notify: Callable[[], None]

    async def __call__(self, user_id: str, receipt_id: str) -> AccountReceipt:
        """Open the receipt, or find it by this id. Returns when it is durable; the outbox publishes the event."""
        now = truncate_to_ms(self.now())
        receipt = await self.requests.open_receipt(
            ErasureRequest(receipt_id, user_id, now, new_id()), now, published=False
        )
        self.notify()
        return receipt


@dataclass(frozen=True, slots=True)
class EraseUserData:
    """Erase a user's data in expiry, and open the receipt of external requests."""

    requests: ErasureRequests
    authors: Authors
    publish: PublishEvent
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
        await self.requests.open_receipt(erasure, now, published=True)
        await self.authors.forget_author(erasure.user_id, erasure.at, now)
        answer = UserDataErased(receipt_id=erasure.receipt_id, user_id=erasure.user_id, service="expiry", erased_at=now)
        await self.publish(answer)


@dataclass(frozen=True, slots=True)
class AcceptServiceAnswer:
    """Record a service's confirmation. After an outage of the service its open requests are republished at once."""

    answers: ServiceAnswers
    resend: ResendUnanswered
    outages: OutageDetector
    now: Clock

    async def __call__(self, event: UserDataErased) -> None:
        """Record it in the receipt."""
        await self.answers.accept(
            ServiceAnswer(event.receipt_id, event.user_id, event.service, event.erased_at), self.now()
        )
        for service in self.outages.ended_by([event.service]):
            await self.resend.hasten(service)


@dataclass(frozen=True, slots=True)
class ReadAccountReceipt:
    """Read the receipt of an account erasure."""

    receipts: AccountReceipts

    async def __call__(self, user_id: str) -> AccountReceipt | None:
        """The receipt of the latest request for the user, or None."""
        return await self.receipts.latest(user_id)
