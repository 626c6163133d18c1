"""In-memory repositories, which pass the same tests as those on MongoDB."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from stories_expiry.domain.accounts import SERVICES, AccountReceipt, ErasureRequest, Service, ServiceConfirmation
from stories_expiry.domain.endings import (
    FIRST_RESEND_DELAY,
    MARK_RETENTION,
    MODERATION,
    STORES,
    Audit,
    Deletion,
    Ended,
    ErasureConfirmation,
    NewConfirmation,
    Receipt,
    Store,
    TimerCounts,
    resend_delay,
)
from stories_expiry.domain.timers import ALIVE_FOR, Due, Timer


@dataclass
class Row:
    """What stories and erasure requests share."""

    erased: dict[Any, datetime] = field(default_factory=dict)
    expected: Sequence[Any] = ()
    resend_at: datetime | None = None
    send_count: int = 0
    backoff_from: int = 0
    pending: bool = False

    @property
    def waiting(self) -> list[Any]:
        """The parties that have not confirmed."""
        return [party for party in self.expected if party not in self.erased]


R = TypeVar("R", bound=Row)


class Resending(Generic[R]):
    """What both repositories share."""

    def __init__(self) -> None:
        self.rows: dict[str, R] = {}

    async def mark_for_resend(self, now: datetime, limit: int) -> int:
        late = [row for row in self.rows.values() if row.resend_at and row.resend_at <= now][:limit]
        for row in late:
            row.send_count += 1
            row.resend_at, row.pending = now + resend_delay(row.send_count - row.backoff_from), True
        return len(late)

    async def hasten(self, now: datetime, limit: int, party: str | None = None) -> int:
        delayed = [row for row in self.rows.values() if row.resend_at and row.send_count - row.backoff_from > 1]
        batch = [row for row in delayed if party is None or party in row.waiting][:limit]
        for row in batch:
            row.resend_at, row.backoff_from = now, row.send_count
        return len(batch)


@dataclass
class StoryRow(Row):
    """One story."""

    author_id: str | None = None
    posted_at: datetime | None = None
    due: datetime | None = None
    revision: int = 0
    ended: Ended | None = None
    ended_at: datetime | None = None
    completed_at: datetime | None = None
    delete_at: datetime | None = None
    author_erased: bool = False
    held_until: datetime | None = None
    archived: bool = False

    @property
    def in_archive(self) -> bool:
        """Whether an archive still keeps the story."""
        return self.archived and "archive" not in self.erased


class MemoryStories(Resending[StoryRow]):
    """Timers, endings and receipts in a dict."""

    def __init__(self, receipts_kept: timedelta = timedelta(days=90)) -> None:
        super().__init__()
        self.expected: Sequence[Store] = STORES
        self._kept = receipts_kept

    async def arm(self, timers: Sequence[Timer]) -> set[str]:
        for timer in timers:
            row = self.rows.setdefault(timer.story_id, StoryRow())
            row.author_id = row.author_id or timer.author_id
            row.posted_at = row.posted_at or timer.posted_at
            if not row.ended:
                row.delete_at = None
                if timer.revision > row.revision:
                    row.due = timer.expires_at
            row.revision = max(row.revision, timer.revision)
        return {timer.story_id for timer in timers if self.rows[timer.story_id].due}

    async def due(self, since: datetime, before: datetime, limit: int) -> list[Due]:
        running = [Due(row.due, story_id, local_only=False) for story_id, row in self.rows.items() if row.due]
        return sorted(due for due in running if since <= due.at < before)[:limit]

    async def fire(self, story_ids: Sequence[str], now: datetime) -> set[str]:
        fired = set()
        for story_id in story_ids:
            row = self.rows.get(story_id)
            if row and row.due and row.due <= now:
                row.ended, row.ended_at, row.due = "expired", row.due, None
                row.send_count, row.pending = 1, True
                self._recompute_waiting(row, now)
                fired.add(story_id)
        return fired

    async def delete(self, deletions: Sequence[Deletion], now: datetime) -> None:
        for deletion in deletions:
            self._delete(deletion, now)

    def _delete(self, deletion: Deletion, now: datetime) -> None:
        row = self.rows.setdefault(deletion.story_id, StoryRow())
        row.author_id = row.author_id or deletion.author_id
        row.author_erased = row.author_erased or deletion.by == "erasure"
        row.due = None
        before_expiry = row.ended == "expired" and row.ended_at is not None and row.ended_at > deletion.deleted_at
        if not row.ended or before_expiry:
            row.ended, row.ended_at = "deleted", deletion.deleted_at
            row.send_count, row.pending, row.resend_at, row.backoff_from = 1, False, None, 0
        self._recompute_waiting(row, now)

    async def accept(self, confirmations: Sequence[ErasureConfirmation], now: datetime) -> list[NewConfirmation]:
        new = []
        for confirmation in confirmations:
            row = self.rows.setdefault(confirmation.story_id, StoryRow())
            if confirmation.held_until:
                row.held_until = max(row.held_until or confirmation.held_until, confirmation.held_until)
            row.archived = row.archived or confirmation.archived
            if confirmation.store not in row.erased:
                row.erased[confirmation.store] = confirmation.erased_at
                if row.ended_at:
                    new.append(
                        NewConfirmation(
                            confirmation.store, max(0.0, (confirmation.erased_at - row.ended_at).total_seconds())
                        )
                    )
            self._recompute_waiting(row, now)
        return new

    async def forget_author(self, user_id: str, at: datetime, now: datetime) -> None:
        for row in self.rows.values():
            if row.author_id != user_id or any(time and time > at for time in (row.posted_at, row.ended_at)):
                continue
            if row.completed_at or row.posted_at:
                row.author_erased = True
            if row.completed_at and row.delete_at:
                row.delete_at = min(row.delete_at, now + MARK_RETENTION)

    async def receipt(self, story_id: str) -> Receipt | None:
        row = self.rows.get(story_id)
        if row is None or row.ended is None or row.ended_at is None:
            return None
        erasure = dict(row.erased), row.completed_at, tuple(row.expected), row.archived
        return Receipt(story_id, row.author_id, row.ended, row.ended_at, *erasure)

    async def audit(self, now: datetime) -> Audit:
        ends = {
            store: [row.ended_at for row in self.rows.values() if row.ended_at and store in row.waiting]
            for store in STORES
        }
        return Audit(
            {store: len(found) for store, found in ends.items()},
            {store: (now - min(found)).total_seconds() if found else 0.0 for store, found in ends.items()},
        )

    async def count_timers(self, now: datetime) -> TimerCounts:
        running = [row.due for row in self.rows.values() if row.due]
        overdue = [due for due in running if due < now - timedelta(seconds=1)]
        return TimerCounts(len(running), len(overdue), (now - min(overdue)).total_seconds() if overdue else 0.0)

    def _recompute_waiting(self, row: StoryRow, now: datetime) -> None:
        if row.ended:
            row.expected = row.expected or self.expected
            if row.held_until and MODERATION not in row.expected:
                row.expected = (*row.expected, MODERATION)
        if row.ended and not row.waiting:
            kept_until = now + (MARK_RETENTION if row.author_erased else self._kept)
            delete_at = row.delete_at if row.completed_at else None
            row.completed_at = row.completed_at or now
            row.delete_at = None if row.in_archive else delete_at or kept_until
            row.resend_at = None
        elif row.ended:
            row.resend_at, row.delete_at = row.resend_at or now + FIRST_RESEND_DELAY, None
            if row.held_until and row.waiting == [MODERATION]:
                row.resend_at = max(row.resend_at, row.held_until + FIRST_RESEND_DELAY)
        elif not row.due:
            row.delete_at = row.delete_at or now + MARK_RETENTION


@dataclass
class ErasureRow(Row):
    """One erasure request."""

    user_id: str = ""
    at: datetime | None = None
    send_count: int = 1


class MemoryAccounts(Resending[ErasureRow]):
    """Erasure requests, in a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.expected: Sequence[Service] = SERVICES

    async def open_receipt(self, erasure: ErasureRequest, now: datetime, *, published: bool) -> AccountReceipt:
        row = self.rows.setdefault(erasure.receipt_id, ErasureRow(user_id=erasure.user_id))
        if row.at is None:
            row.at, row.pending = erasure.at, not published
        self._recompute_waiting(row, now)
        return receipt_of(erasure.receipt_id, row)

    async def accept(self, confirmation: ServiceConfirmation, now: datetime) -> None:
        row = self.rows.setdefault(confirmation.receipt_id, ErasureRow(user_id=confirmation.user_id))
        row.erased.setdefault(confirmation.service, confirmation.erased_at)
        self._recompute_waiting(row, now)

    async def latest(self, user_id: str) -> AccountReceipt | None:
        found = [(row.at, receipt_id) for receipt_id, row in self.rows.items() if row.user_id == user_id and row.at]
        if not found:
            return None
        _, receipt_id = max(found)
        return receipt_of(receipt_id, self.rows[receipt_id])

    def _recompute_waiting(self, row: ErasureRow, now: datetime) -> None:
        if row.at:
            row.expected = row.expected or self.expected
        row.resend_at = (row.resend_at or now + FIRST_RESEND_DELAY) if row.waiting else None


def receipt_of(receipt_id: str, row: ErasureRow) -> AccountReceipt:
    """The receipt of a request."""
    assert row.at
    return AccountReceipt(receipt_id, row.user_id, row.at, dict(row.erased), tuple(row.expected))


class MemoryReplicas:
    """Heartbeats by name."""

    def __init__(self) -> None:
        self.seen: dict[str, datetime] = {}

    async def heartbeat(self, me: str, now: datetime) -> tuple[str, ...]:
        self.seen[me] = now
        return tuple(sorted(name for name, at in self.seen.items() if at >= now - ALIVE_FOR))
