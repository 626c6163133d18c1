"""Endings of stories, confirmations of stores, and receipts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

Ended = Literal["expired", "deleted"]
DeletedBy = Literal["author", "admin", "erasure"]
Store = Literal["media", "feed", "engagement", "moderation", "archive"]

STORES: tuple[Store, ...] = ("media", "feed", "engagement")
MODERATION: Store = "moderation"
"""Expected besides them where the media of a reported story is kept for moderators."""
ARCHIVE: Store = "archive"
"""No party to an ending: an author may keep an expired story for years."""

# An ending is republished when a store has not confirmed by then: long enough for a slow erasure, short enough that a
# lost confirmation is repaired soon. The delay doubles each time.
FIRST_RESEND_DELAY = timedelta(seconds=15)
MAX_RESEND_DELAY = timedelta(minutes=15)

# The topics whose records, dead-lettered ones included, contain a story's content or a viewer's id.
CONTENT_TOPICS = frozenset({"story-posted", "story-viewed", "comment-created", "comment-removed", "story-reacted"})

# Ended marks outlive every record that can still be read: no topic keeps one longer than 30 days.
MARK_RETENTION = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Deletion:
    """The deletion of a story. `event_id` is the `ce_id` of its event.

    `author_id` is None where no trusted producer has named the author.
    """

    story_id: str
    author_id: str | None
    deleted_at: datetime
    by: DeletedBy
    event_id: str


@dataclass(frozen=True, slots=True)
class ErasureConfirmation:
    """One store has erased a story, except for ids, times and counts.

    `archived`: its author's archive keeps it. `held_until`: its media is kept for moderators until then at the latest.
    """

    story_id: str
    store: Store
    erased_at: datetime
    archived: bool = False
    held_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewConfirmation:
    """The first confirmation of a store, `after_s` seconds after the ending."""

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
    expected: tuple[Store, ...] = STORES
    """The stores that had to confirm when the story ended."""
    was_archived: bool = False
    """Whether its author's archive kept it when it ended."""

    @property
    def archived(self) -> bool:
        """Whether its author's archive still keeps it."""
        return self.was_archived and ARCHIVE not in self.erased

    @property
    def stores(self) -> tuple[Store, ...]:
        """The stores that had the story after its end."""
        in_archive = self.was_archived or ARCHIVE in self.erased
        return (*self.expected, ARCHIVE) if in_archive else self.expected

    @property
    def held(self) -> str | None:
        """Why its media is still kept."""
        return MODERATION if MODERATION in self.expected and MODERATION not in self.erased else None

    @property
    def complete(self) -> bool:
        """Whether every store has confirmed and nothing is held for moderation."""
        return self.completed_at is not None and self.held is None

    def may_read(self, user_id: str, *, admin: bool) -> bool:
        """Whether the user is the story's author or an admin."""
        return admin or (self.author_id is not None and self.author_id == user_id)


def resend_delay(send_count: int) -> timedelta:
    """The delay after the `send_count`-th publication (1 or more)."""
    doubled: int = 2 ** min(max(send_count - 1, 0), 16)
    return min(FIRST_RESEND_DELAY * doubled, MAX_RESEND_DELAY)


def log_clears_by(receipt: Receipt, max_record_age: timedelta) -> datetime:
    """The latest time by which Kafka has deleted the last record with the story's content or a viewer's id.

    Args:
        receipt: the last such record was appended by the latest of its times.
        max_record_age: of such records in any topic, dead-letter topics included.
    """
    erased = (at for store, at in receipt.erased.items() if store != ARCHIVE)
    return max((receipt.ended_at, *erased)) + max_record_age


@dataclass(frozen=True, slots=True)
class Audit:
    """How many receipts wait for each store, and how long the oldest of each has waited, in seconds."""

    open: Mapping[Store, int]
    oldest_s: Mapping[Store, float]


@dataclass(frozen=True, slots=True)
class TimerCounts:
    """The number of pending timers, of those overdue by more than a second, and the age of the oldest of these."""

    timers: int
    overdue: int
    oldest_overdue_s: float
