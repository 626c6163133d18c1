"""Receipts of erasures, and their audit."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from stories_shared.clock import Clock

from stories_expiry.domain.endings import Audit, Receipt, TimerCounts, log_clears_by


class Receipts(Protocol):
    """Reads receipts of ended stories."""

    async def receipt(self, story_id: str) -> Receipt | None:
        """The story's receipt; None where it is live or unknown."""
        ...


class Audits(Protocol):
    """Counts open receipts and timers."""

    async def audit(self, now: datetime) -> Audit: ...

    async def count_timers(self, now: datetime) -> TimerCounts: ...


@dataclass(frozen=True, slots=True)
class ReadReceipt:
    """Read a receipt, for the story's author and for admins.

    Args:
        receipts: of stories.
        max_record_age: the longest time that a topic keeps a story's content or a viewer's id.
    """

    receipts: Receipts
    max_record_age: timedelta

    async def __call__(self, story_id: str, user_id: str, *, admin: bool) -> tuple[Receipt, datetime] | None:
        """The receipt and ``log_clears_by``; None where this user may read none."""
        receipt = await self.receipts.receipt(story_id)
        if receipt is None or not receipt.may_read(user_id, admin=admin):
            return None
        return receipt, log_clears_by(receipt, self.max_record_age)


@dataclass(frozen=True, slots=True)
class AuditErasure:
    """Count open receipts for each store."""

    audits: Audits
    now: Clock

    async def __call__(self) -> Audit:
        """The numbers and ages of open receipts."""
        return await self.audits.audit(self.now())


@dataclass(frozen=True, slots=True)
class CountTimers:
    """Count pending and overdue timers."""

    audits: Audits
    now: Clock

    async def __call__(self) -> TimerCounts:
        """The counts as of now."""
        return await self.audits.count_timers(self.now())
