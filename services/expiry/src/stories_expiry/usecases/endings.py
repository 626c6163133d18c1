"""Follow every ending until all stores have answered, and say it again until they have."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from stories_shared.clock import Clock
from stories_shared.errors import InvalidMessage
from stories_shared.events import StoryDeleted, StoryErased
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.external_producers import clamp_to_append_time, is_authorized_deletion
from stories_shared.events.ids import deterministic_id

from stories_expiry.domain.endings import FIRST_RESEND_DELAY, Deletion, ErasureConfirmation, NewConfirmation

RESEND_BATCH = 1_000
"""Endings said again per turn: a store that was away long is not drowned."""


class Deletions(Protocol):
    """Records stories that were taken back."""

    async def delete(self, deletion: Deletion, now: datetime) -> None:
        """Stop the timer and open the receipt; an earlier ending stands."""
        ...


class Answers(Protocol):
    """Records what stores answer."""

    async def accept(self, answers: Sequence[ErasureConfirmation], now: datetime) -> list[NewConfirmation]:
        """Note first answers and close the receipts that are complete; what is new about ended stories."""
        ...


class Unanswered(Protocol):
    """Finds endings (or account erasures) that some party has not answered in time."""

    async def mark_for_resend(self, now: datetime, limit: int) -> int:
        """Mark them to be said again, each once in all replicas; how many."""
        ...

    async def hasten(self, now: datetime, limit: int, party: Any = None, /) -> int:
        """Make due now what waits out a long delay, for one party or for any; how many."""
        ...


@dataclass(frozen=True, slots=True)
class RecordDeletion:
    """A deleted story gets its erasure record."""

    deletions: Deletions
    now: Clock

    async def __call__(self, record: ReceivedEvent[StoryDeleted]) -> None:
        """Open the receipt. From outside, the author is what our own record says and no time lies in the future.

        Raises:
            Unacceptable: an outsider claims to be the author or an erasure.
        """
        event = record.event
        if not is_authorized_deletion(record):
            raise InvalidMessage(f"from outside only an admin deletes, not: {event.by}")
        deletion = Deletion(
            story_id=event.story_id,
            author_id=event.author_id if record.is_internal else None,
            deleted_at=clamp_to_append_time(record, event.deleted_at),
            by=event.by,
            event_id=record.id or deterministic_id(record.identity),
        )
        await self.deletions.delete(deletion, self.now())


@dataclass(frozen=True, slots=True)
class ResendUnanswered:
    """What was not answered in time is said again; ``woken`` wakes the outbox."""

    unanswered: Unanswered
    now: Clock
    notify: Callable[[], None]

    async def __call__(self) -> int:
        """Mark what is due to be said again; how many that were."""
        marked = await self.unanswered.mark_for_resend(self.now(), RESEND_BATCH)
        if marked:
            self.notify()
        return marked

    async def hasten(self, party: str | None = None) -> bool:
        """Make due now what waits out a long delay, since whoever may have missed it is back; whether that is all."""
        return await self.unanswered.hasten(self.now(), RESEND_BATCH, party) < RESEND_BATCH


@dataclass(slots=True)
class OutageDetector:
    """When each party was last heard from by this replica."""

    now: Clock
    _last: dict[str, datetime] = field(default_factory=dict)

    def ended_by(self, parties: Iterable[str]) -> list[str]:
        """Note that these are heard from now, and name those that were silent for so long that they may have been away.

        A party that was never heard from counts as one of them.
        """
        now, back = self.now(), []
        for party in sorted(set(parties)):
            last = self._last.get(party)
            if last is None or now - last > FIRST_RESEND_DELAY:
                back.append(party)
            self._last[party] = now
        return back


@dataclass(frozen=True, slots=True)
class AcceptAnswers:
    """Stores answer; a receipt closes with the last of them. One that was silent is asked at once for what is open."""

    answers: Answers
    resend: ResendUnanswered
    outages: OutageDetector
    now: Clock

    async def __call__(self, records: Sequence[ReceivedEvent[StoryErased]]) -> list[NewConfirmation]:
        """Note the answers; those that are new, for the metrics."""
        confirmations = [
            ErasureConfirmation(record.event.story_id, record.event.store, record.event.erased_at) for record in records
        ]
        new = await self.answers.accept(confirmations, self.now())
        for store in self.outages.ended_by(answer.store for answer in confirmations):
            await self.resend.hasten(store)
        return new
