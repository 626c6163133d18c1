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

    async def demand(self, erasure: ErasureRequest, now: datetime, *, said: bool) -> AccountReceipt:
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

    demands: ErasureRequests
    now: Clock
    woken: Callable[[], None]

    async def __call__(self, user_id: str, receipt_id: str) -> AccountReceipt:
        """Open the receipt, or find it open under this id. Answered when durable; the outbox says it to the others."""
        now = truncate_to_ms(self.now())
        receipt = await self.demands.demand(ErasureRequest(receipt_id, user_id, now, new_id()), now, said=False)
        self.woken()
        return receipt


@dataclass(frozen=True, slots=True)
class EraseUserData:
    """Expiry's own share of an erasure, and the receipt of demands that come from outside."""

    demands: ErasureRequests
    authors: Authors
    publish: PublishEvent
    now: Clock

    async def __call__(self, fact: ReceivedEvent[UserErased]) -> None:
        """Open the receipt where it is not, forget the user here, and answer like every other service."""
        said = fact.event
        erasure = ErasureRequest(
            receipt_id=receipt_id_of(fact),
            user_id=said.user_id,
            at=clamp_to_append_time(fact, said.at),
            event_id=fact.id or deterministic_id(fact.identity),
        )
        now = truncate_to_ms(self.now())
        await self.demands.demand(erasure, now, said=True)
        await self.authors.forget_author(erasure.user_id, erasure.at, now)
        answer = UserDataErased(receipt_id=erasure.receipt_id, user_id=erasure.user_id, service="expiry", erased_at=now)
        await self.publish(answer)


@dataclass(frozen=True, slots=True)
class AcceptServiceAnswer:
    """A service has forgotten the user. One that was silent is asked at once for what is open."""

    answers: ServiceAnswers
    again: ResendUnanswered
    silences: OutageDetector
    now: Clock

    async def __call__(self, said: UserDataErased) -> None:
        """Note it in the receipt."""
        await self.answers.accept(
            ServiceAnswer(said.receipt_id, said.user_id, said.service, said.erased_at), self.now()
        )
        for service in self.silences.ended_by([said.service]):
            await self.again.hasten(service)


@dataclass(frozen=True, slots=True)
class ReadAccountReceipt:
    """The receipt of a user's erasure."""

    receipts: AccountReceipts

    async def __call__(self, user_id: str) -> AccountReceipt | None:
        """The newest demand about the user, or None."""
        return await self.receipts.latest(user_id)
