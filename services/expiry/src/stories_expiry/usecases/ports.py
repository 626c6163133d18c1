"""The ports of the use cases: a repository for each aggregate."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from stories_expiry.domain.accounts import AccountReceipt, ErasureRequest, ServiceConfirmation
from stories_expiry.domain.endings import Audit, Deletion, ErasureConfirmation, NewConfirmation, Receipt, TimerCounts
from stories_expiry.domain.timers import Due, Timer


class Unconfirmed(Protocol):
    """Finds endings or account erasures that a party has not confirmed in time."""

    async def mark_for_resend(self, now: datetime, limit: int) -> int:
        """Mark due ones as pending, each once across replicas; how many."""

    async def hasten(self, now: datetime, limit: int, party: str | None = None) -> int:
        """Make those with a long delay due now, for one party or for any; how many."""


class StoryRepository(Unconfirmed, Protocol):
    """One row per story, from its timer to its receipt."""

    async def arm(self, timers: Sequence[Timer]) -> set[str]:
        """Set or move timers, except of ended stories and older revisions; the ids with a pending timer."""

    async def due(self, since: datetime, before: datetime, limit: int) -> list[Due]:
        """Timers due in [`since`, `before`), earliest first."""

    async def fire(self, story_ids: Sequence[str], now: datetime) -> set[str]:
        """End stories whose timers are due, each marked as pending; the ids that this call ended."""

    async def delete(self, deletions: Sequence[Deletion], now: datetime) -> None:
        """Remove timers and open receipts; an earlier ending is final."""

    async def accept(self, confirmations: Sequence[ErasureConfirmation], now: datetime) -> list[NewConfirmation]:
        """Record first confirmations and complete receipts; the new confirmations of ended stories."""

    async def forget_author(self, user_id: str, at: datetime, now: datetime) -> None:
        """Delete receipts of stories posted by `at` 30 days after they are complete, not later."""

    async def receipt(self, story_id: str) -> Receipt | None:
        """The story's receipt; None where it is live or unknown."""

    async def audit(self, now: datetime) -> Audit:
        """The number of open receipts by store, and the age of the oldest."""

    async def count_timers(self, now: datetime) -> TimerCounts:
        """Count pending and overdue timers."""


class AccountRepository(Unconfirmed, Protocol):
    """One row per request to erase a user."""

    async def open_receipt(self, erasure: ErasureRequest, now: datetime, *, published: bool) -> AccountReceipt:
        """Open the receipt unless it exists, pending unless the event was published; the current receipt."""

    async def accept(self, confirmation: ServiceConfirmation, now: datetime) -> None:
        """Record the first confirmation of each service; the last one completes the receipt."""

    async def latest(self, user_id: str) -> AccountReceipt | None:
        """The receipt of the latest request for the user, or None."""
