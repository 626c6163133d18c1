"""Have every service forget a user, and keep the receipt."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from stories_shared.clock import Clock, whole_ms
from stories_shared.events import Event, UserDataErased, UserErased
from stories_shared.events.cloudevents import Fact
from stories_shared.events.external_producers import no_later, receipt_id_of
from stories_shared.events.ids import fact_based_id, new_id

from stories_expiry.domain.accounts import AccountReceipt, Erasure, ServiceAnswer
from stories_expiry.usecases.endings import SayAgain, Silences


class Demands(Protocol):
    """Records that a user is to be erased."""

    async def demand(self, erasure: Erasure, now: datetime, *, said: bool) -> AccountReceipt:
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


class Say(Protocol):
    """Says one event; returns when it is acknowledged."""

    async def __call__(self, event: Event) -> None: ...


@dataclass(frozen=True, slots=True)
class EraseAccount:
    """An admin has a user erased; ``woken`` wakes the outbox that says so."""

    demands: Demands
    now: Clock
    woken: Callable[[], None]

    async def __call__(self, user_id: str, receipt_id: str) -> AccountReceipt:
        """Open the receipt, or find it open under this id. Answered when durable; the outbox says it to the others."""
        now = whole_ms(self.now())
        receipt = await self.demands.demand(Erasure(receipt_id, user_id, now, new_id()), now, said=False)
        self.woken()
        return receipt


@dataclass(frozen=True, slots=True)
class ForgetUser:
    """Expiry's own share of an erasure, and the receipt of demands that come from outside."""

    demands: Demands
    authors: Authors
    say: Say
    now: Clock

    async def __call__(self, fact: Fact[UserErased]) -> None:
        """Open the receipt where it is not, forget the user here, and answer like every other service."""
        said = fact.event
        erasure = Erasure(
            receipt_id=receipt_id_of(fact),
            user_id=said.user_id,
            at=no_later(fact, said.at),
            fact_id=fact.id or fact_based_id(fact.identity),
        )
        now = whole_ms(self.now())
        await self.demands.demand(erasure, now, said=True)
        await self.authors.forget_author(erasure.user_id, erasure.at, now)
        answer = UserDataErased(receipt_id=erasure.receipt_id, user_id=erasure.user_id, service="expiry", erased_at=now)
        await self.say(answer)


@dataclass(frozen=True, slots=True)
class AcceptServiceAnswer:
    """A service has forgotten the user. One that was silent is asked at once for what is open."""

    answers: ServiceAnswers
    again: SayAgain
    silences: Silences
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
