"""Endings: republished until all stores have confirmed the erasure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from stories_shared.clock import Clock
from stories_shared.errors import InvalidMessage
from stories_shared.events import StoryDeleted, StoryErased
from stories_shared.events.cloudevents import ReceivedEvent
from stories_shared.events.external_producers import clamp_to_append_time, is_authorized_deletion
from stories_shared.events.ids import deterministic_id

from stories_expiry.domain.endings import ARCHIVE, FIRST_RESEND_DELAY, Deletion, ErasureConfirmation, NewConfirmation
from stories_expiry.usecases.ports import StoryRepository, Unconfirmed

RESEND_BATCH = 1_000
"""Endings republished per iteration, so that a store is not flooded after a long outage."""


@dataclass(frozen=True, slots=True)
class RecordDeletion:
    """Record deletions of stories."""

    stories: StoryRepository
    now: Clock

    async def __call__(self, records: Sequence[ReceivedEvent[StoryDeleted]]) -> None:
        """Open receipts. The author of an external deletion comes from our own record, and its time is capped.

        Raises:
            InvalidMessage: an external producer claims to be the author or an erasure.
        """
        await self.stories.delete([deletion_of(record) for record in records], self.now())


def deletion_of(record: ReceivedEvent[StoryDeleted]) -> Deletion:
    """The deletion in an event. Raises `InvalidMessage` for one that its producer may not publish."""
    event = record.event
    if not is_authorized_deletion(record):
        raise InvalidMessage(f"external deletion by {event.by}")
    return Deletion(
        story_id=event.story_id,
        author_id=event.author_id if record.is_internal else None,
        deleted_at=clamp_to_append_time(record, event.deleted_at),
        by=event.by,
        event_id=record.id or deterministic_id(record.identity),
    )


@dataclass(frozen=True, slots=True)
class ResendUnconfirmed:
    """Republish what was not confirmed in time; `notify` wakes the outbox."""

    unconfirmed: Unconfirmed
    now: Clock
    notify: Callable[[], None]

    async def __call__(self) -> int:
        """Mark what is due as pending; how many."""
        marked = await self.unconfirmed.mark_for_resend(self.now(), RESEND_BATCH)
        if marked:
            self.notify()
        return marked

    async def hasten(self, party: str | None = None) -> bool:
        """Make those with a long delay due now, after a recovery; whether that is all."""
        return await self.unconfirmed.hasten(self.now(), RESEND_BATCH, party) < RESEND_BATCH


@dataclass(slots=True)
class OutageDetector:
    """The time of each party's last confirmation on this replica."""

    now: Clock
    _last: dict[str, datetime] = field(default_factory=dict)

    def ended_by(self, parties: Iterable[str]) -> list[str]:
        """Record a confirmation of these parties now; return those that may have been down since their last one.

        A party without an earlier confirmation is one of them.
        """
        now, recovered = self.now(), []
        for party in sorted(set(parties)):
            last = self._last.get(party)
            if last is None or now - last > FIRST_RESEND_DELAY:
                recovered.append(party)
            self._last[party] = now
        return recovered


@dataclass(frozen=True, slots=True)
class AcceptConfirmations:
    """Record confirmations. After an outage of a store its open endings are republished at once."""

    stories: StoryRepository
    resend: ResendUnconfirmed
    outages: OutageDetector
    now: Clock

    async def __call__(self, records: Sequence[ReceivedEvent[StoryErased]]) -> list[NewConfirmation]:
        """Record them; the new ones of stores that an ending waits for, for the metrics."""
        confirmations = [
            ErasureConfirmation(event.story_id, event.store, event.erased_at, event.archived, event.held_until)
            for event in (record.event for record in records)
        ]
        new = await self.stories.accept(confirmations, self.now())
        for store in self.outages.ended_by(each.store for each in confirmations if each.store != ARCHIVE):
            await self.resend.hasten(store)
        return [each for each in new if each.store != ARCHIVE]
