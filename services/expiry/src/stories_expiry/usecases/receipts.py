"""Answer how far erasure has come."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from stories_shared.clock import Clock

from stories_expiry.domain.endings import Audit, Receipt, TimerCounts, log_clears_by


class Receipts(Protocol):
    """The erasure record of every ended story."""

    async def receipt(self, story_id: str) -> Receipt | None:
        """The story's receipt; None where it lives or never was."""
        ...


class Audits(Protocol):
    """Counts what is still open."""

    async def audit(self, now: datetime) -> Audit: ...

    async def count_timers(self, now: datetime) -> TimerCounts: ...


@dataclass(frozen=True, slots=True)
class ReadReceipt:
    """The receipt, for the story's author and for admins.

    Args:
        receipts: where they are.
        clears_after: how long at most a topic keeps a record with a story's content or a viewer's id.
    """

    receipts: Receipts
    max_record_age: timedelta

    async def __call__(self, story_id: str, user_id: str, *, admin: bool) -> tuple[Receipt, datetime] | None:
        """The receipt and when the log is clear; None where there is none for this user."""
        receipt = await self.receipts.receipt(story_id)
        if receipt is None or not receipt.may_read(user_id, admin=admin):
            return None
        return receipt, log_clears_by(receipt, self.max_record_age)


@dataclass(frozen=True, slots=True)
class AuditErasure:
    """What is open, for each store."""

    audits: Audits
    now: Clock

    async def __call__(self) -> Audit:
        """Open receipts and their age."""
        return await self.audits.audit(self.now())


@dataclass(frozen=True, slots=True)
class CountTimers:
    """How many timers run and are overdue."""

    audits: Audits
    now: Clock

    async def __call__(self) -> TimerCounts:
        """The census as of now."""
        return await self.audits.count_timers(self.now())
