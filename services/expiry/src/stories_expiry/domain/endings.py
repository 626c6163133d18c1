"""How a story ended, what its stores answered, and what the receipt may promise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

Ended = Literal["expired", "deleted"]
DeletedBy = Literal["author", "admin", "erasure"]
Store = Literal["media", "feed", "engagement"]

STORES: tuple[Store, ...] = ("media", "feed", "engagement")

# An ending is said again when a store has not answered by then: long enough for a slow erasure, short enough that a
# lost answer is noticed before anybody asks. Each further time waits twice as long.
FIRST_RESEND_DELAY = timedelta(seconds=15)
MAX_RESEND_DELAY = timedelta(minutes=15)

# The topics whose records hold a story's content or a viewer's id; what is dead-lettered of them does, too.
CONTENT_TOPICS = frozenset({"story-posted", "story-viewed"})

# Ended marks guard against every record that can still be read: none lives longer than 30 days.
MARK_RETENTION = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Deletion:
    """A story was taken back. ``event_id`` is the ``ce_id`` under which it was said.

    ``author_id`` is None where nobody we trust has told it.
    """

    story_id: str
    author_id: str | None
    deleted_at: datetime
    by: DeletedBy
    event_id: str


@dataclass(frozen=True, slots=True)
class ErasureConfirmation:
    """One store says that it holds nothing of a story any more but ids, times and counts."""

    story_id: str
    store: Store
    erased_at: datetime


@dataclass(frozen=True, slots=True)
class NewConfirmation:
    """A store answered for the first time, so many seconds after the end."""

    store: Store
    after_s: float


@dataclass(frozen=True, slots=True)
class Receipt:
    """The record that every store has erased a story; ids and times only."""

    story_id: str
    author_id: str | None
    ended: Ended
    ended_at: datetime
    erased: Mapping[Store, datetime] = field(default_factory=dict)
    completed_at: datetime | None = None
    held: str | None = None
    expected: Sequence[Store] = STORES
    """The stores that had to answer when the story ended."""

    @property
    def complete(self) -> bool:
        """Whether every store has answered and nothing is held back for moderation."""
        return self.completed_at is not None and self.held is None

    def may_read(self, user_id: str, *, admin: bool) -> bool:
        """The story's author and admins may."""
        return admin or (self.author_id is not None and self.author_id == user_id)


def resend_delay(send_count: int) -> timedelta:
    """How long to wait for answers after an ending was said so many times (1 or more)."""
    doubled: int = 2 ** min(max(send_count - 1, 0), 16)
    return min(FIRST_RESEND_DELAY * doubled, MAX_RESEND_DELAY)


def log_clears_by(receipt: Receipt, max_record_age: timedelta) -> datetime:
    """When at the latest Kafka has dropped the last record with the story's content or a viewer's id.

    Args:
        receipt: the last such record was appended by the last of its times: a store that has answered takes no more.
        max_record_age: how long the topic that keeps such records longest keeps one, dead-lettered ones included.
    """
    return max((receipt.ended_at, *receipt.erased.values())) + max_record_age


@dataclass(frozen=True, slots=True)
class Audit:
    """How many receipts wait for each store, and how long the oldest of each has waited, in seconds."""

    open: Mapping[Store, int]
    oldest_s: Mapping[Store, float]


@dataclass(frozen=True, slots=True)
class TimerCounts:
    """How many timers run, how many are overdue by more than a second, and the oldest of these in seconds."""

    timers: int
    overdue: int
    oldest_overdue_s: float
