"""In-memory store of accounts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from stories_expiry.domain.accounts import SERVICES, AccountReceipt, ErasureRequest, Service, ServiceAnswer
from stories_expiry.domain.endings import FIRST_RESEND_DELAY, resend_delay


@dataclass
class Row:
    """One erasure request."""

    user_id: str
    at: datetime | None = None
    erased: dict[Service, datetime] = field(default_factory=dict)
    resend_at: datetime | None = None
    send_count: int = 1
    backoff_from: int = 0
    pending: bool = False
    expected: Sequence[Service] = ()


class MemoryAccounts:
    """Erasure requests, in a dict."""

    def __init__(self, expected: Sequence[Service] = SERVICES) -> None:
        self.rows: dict[str, Row] = {}
        self.expected = expected

    async def open_receipt(self, erasure: ErasureRequest, now: datetime, *, published: bool) -> AccountReceipt:
        """Open the receipt unless it exists, pending unless the event was published; the current receipt."""
        row = self.rows.setdefault(erasure.receipt_id, Row(erasure.user_id))
        if row.at is None:
            row.at, row.pending = erasure.at, not published
        self._recompute_waiting(row, now)
        return receipt_of(erasure.receipt_id, row)

    async def accept(self, answer: ServiceAnswer, now: datetime) -> None:
        """Record the first confirmation of each service; the last one completes the receipt."""
        row = self.rows.setdefault(answer.receipt_id, Row(answer.user_id))
        row.erased.setdefault(answer.service, answer.erased_at)
        self._recompute_waiting(row, now)

    async def mark_for_resend(self, now: datetime, limit: int) -> int:
        """Mark due requests as pending; how many."""
        due = [row for row in self.rows.values() if row.resend_at and row.resend_at <= now][:limit]
        for row in due:
            row.send_count += 1
            row.resend_at, row.pending = now + resend_delay(row.send_count - row.backoff_from), True
        return len(due)

    async def hasten(self, now: datetime, limit: int, service: Service | None = None) -> int:
        """Make requests with a long delay due now, for one service or for any; how many."""
        delayed = [row for row in self.rows.values() if row.resend_at and row.send_count - row.backoff_from > 1]
        batch = [row for row in delayed if service is None or service not in row.erased][:limit]
        for row in batch:
            row.resend_at, row.backoff_from = now, row.send_count
        return len(batch)

    async def latest(self, user_id: str) -> AccountReceipt | None:
        """The receipt of the latest request for the user, or None."""
        found = [(row.at, receipt_id) for receipt_id, row in self.rows.items() if row.user_id == user_id and row.at]
        if not found:
            return None
        _, receipt_id = max(found)
        return receipt_of(receipt_id, self.rows[receipt_id])

    def _recompute_waiting(self, row: Row, now: datetime) -> None:
        if row.at:
            row.expected = row.expected or self.expected
        unanswered = any(service not in row.erased for service in row.expected)
        row.resend_at = (row.resend_at or now + FIRST_RESEND_DELAY) if unanswered else None


def receipt_of(receipt_id: str, row: Row) -> AccountReceipt:
    """The receipt of a request."""
    assert row.at
    return AccountReceipt(receipt_id, row.user_id, row.at, dict(row.erased), tuple(row.expected))
