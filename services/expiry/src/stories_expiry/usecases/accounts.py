"""Have every service forget a user, and keep the receipt."""

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
    """Records that a user is to be erased."""

    async def open_receipt(self, erasure: ErasureRequest, now: datetime, *, published: bool) -> AccountReceipt:
        """Open the receipt unless it is open, marked to be said unless somebody said it; the receipt as it stands."""
        ...


class Authors(Protocol):
    """The records of one author's stories."""

    async def forget_author(self, user_id: str, at: datetime, now: datetime) -> None:
        """Let the records of stories posted by ``at`` go 30 days after they are complete, not later."""
        ...


class ServiceAnswers(Protocol):
    """Records which services have forgotten a user."""

    async def accept(self, answer: ServiceAnswer, now: datetime) -> None:
        """Note the first answer of each service; the fourth closes the receipt."""
        ...


class AccountReceipts(Protocol):
    """The receipts of users' erasures."""

    async def latest(self, user_id: str) -> AccountReceipt | None:
        """The newest demand about the user, or None."""
        ...


class PublishEvent(Protocol):
    """Says one event; returns when it is acknowledged."""

    async def __call__(self, event: Event) -> None: ...


@dataclass(frozen=True, slots=True)
class EraseAccount:
    """An admin has a user erased; ``woken`` wakes the outbox that says so."""

    requests: ErasureRequests
    now: Clock
    notify: Callable[[], None]

    async def __call__(self, user_id: str, receipt_id: str) -> AccountReceipt:
        """Open the receipt, or find it open under this id. Answered when durable; the outbox says it to the others."""
        now = truncate_to_ms(self.now())
        receipt = await self.requests.open_receipt(
            ErasureRequest(receipt_id, user_id, now, new_id()), now, published=False
        )
        self.notify()
        return receipt


@dataclass(frozen=True, slots=True)
class EraseUserData:
    """Expiry's own share of an erasure, and the receipt of demands that come from outside."""

    requests: ErasureRequests
    authors: Authors
    publish: PublishEvent
    now: Clock

    async def __call__(self, record: ReceivedEvent[UserErased]) -> None:
        """Open the receipt where it is not, forget the user here, and answer like every other service."""
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
    """A service has forgotten the user. One that was silent is asked at once for what is open."""

    answers: ServiceAnswers
    resend: ResendUnanswered
    outages: OutageDetector
    now: Clock

    async def __call__(self, event: UserDataErased) -> None:
        """Note it in the receipt."""
        await self.answers.accept(
            ServiceAnswer(event.receipt_id, event.user_id, event.service, event.erased_at), self.now()
        )
        for service in self.outages.ended_by([event.service]):
            await self.resend.hasten(service)


@dataclass(frozen=True, slots=True)
class ReadAccountReceipt:
    """The receipt of a user's erasure."""

    receipts: AccountReceipts

    async def __call__(self, user_id: str) -> AccountReceipt | None:
        """The newest demand about the user, or None."""
        return await self.receipts.latest(user_id)
