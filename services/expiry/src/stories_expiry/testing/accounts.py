"""The accounts' store in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from stories_expiry.domain.accounts import SERVICES, AccountReceipt, Erasure, Service, ServiceAnswer
from stories_expiry.domain.endings import FIRST_PATIENCE, patience


@dataclass
class Demand:
    """What is known of one demand."""

    user_id: str
    at: datetime | None = None
    erased: dict[Service, datetime] = field(default_factory=dict)
    resay_at: datetime | None = None
    times_said: int = 1
    backoff_from: int = 0
    unsaid: bool = False
    expected: Sequence[Service] = ()


class FakeAccounts:
    """Demands to erase users, in a dict."""

    def __init__(self, expected: Sequence[Service] = SERVICES) -> None:
        self.rows: dict[str, Demand] = {}
        self.expected = expected

    async def demand(self, erasure: Erasure, now: datetime, *, said: bool) -> AccountReceipt:
        """Open the receipt unless it is open, marked to be said unless somebody said it; the receipt as it stands."""
        row = self.rows.setdefault(erasure.receipt_id, Demand(erasure.user_id))
        if row.at is None:
            row.at, row.unsaid = erasure.at, not said
        self._settle(row, now)
        return receipt_of(erasure.receipt_id, row)

    async def accept(self, answer: ServiceAnswer, now: datetime) -> None:
        """Note the first answer of each service; the fourth closes the receipt."""
        row = self.rows.setdefault(answer.receipt_id, Demand(answer.user_id))
        row.erased.setdefault(answer.service, answer.erased_at)
        self._settle(row, now)

    async def resay(self, now: datetime, limit: int) -> int:
        """Mark unanswered demands to be said again; how many."""
        late = [row for row in self.rows.values() if row.resay_at and row.resay_at <= now][:limit]
        for row in late:
            row.times_said += 1
            row.resay_at, row.unsaid = now + patience(row.times_said - row.backoff_from), True
        return len(late)

    async def hasten(self, now: datetime, limit: int, service: Service | None = None) -> int:
        """Make due now what waits out a long delay, for one service or for any; how many."""
        long = [row for row in self.rows.values() if row.resay_at and row.times_said - row.backoff_from > 1]
        some = [row for row in long if service is None or service not in row.erased][:limit]
        for row in some:
            row.resay_at, row.backoff_from = now, row.times_said
        return len(some)

    async def latest(self, user_id: str) -> AccountReceipt | None:
        """The newest demand about the user, or None."""
        theirs = [(row.at, receipt_id) for receipt_id, row in self.rows.items() if row.user_id == user_id and row.at]
        if not theirs:
            return None
        _, receipt_id = max(theirs)
        return receipt_of(receipt_id, self.rows[receipt_id])

    def _settle(self, row: Demand, now: datetime) -> None:
        if row.at:
            row.expected = row.expected or self.expected
        unanswered = any(service not in row.erased for service in row.expected)
        row.resay_at = (row.resay_at or now + FIRST_PATIENCE) if unanswered else None


def receipt_of(receipt_id: str, row: Demand) -> AccountReceipt:
    """The receipt that a demand is."""
    assert row.at
    return AccountReceipt(receipt_id, row.user_id, row.at, dict(row.erased), tuple(row.expected))
