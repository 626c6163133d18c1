"""The accounts' store in memory."""

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
    unsaid: bool = False


class FakeAccounts:
    """Demands to erase users, in a dict."""

    def __init__(self) -> None:
        self.rows: dict[str, Demand] = {}

    async def demand(self, erasure: Erasure, now: datetime, *, said: bool) -> AccountReceipt:
        """Open the receipt unless it is open, marked to be said unless somebody said it; the receipt as it stands."""
        row = self.rows.setdefault(erasure.receipt_id, Demand(erasure.user_id))
        if row.at is None:
            row.at, row.unsaid = erasure.at, not said
        self._settle(row, now)
        return AccountReceipt(erasure.receipt_id, row.user_id, row.at, dict(row.erased))

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
            row.resay_at, row.unsaid = now + patience(row.times_said), True
        return len(late)

    async def latest(self, user_id: str) -> AccountReceipt | None:
        """The newest demand about the user, or None."""
        theirs = [(row.at, receipt_id) for receipt_id, row in self.rows.items() if row.user_id == user_id and row.at]
        if not theirs:
            return None
        at, receipt_id = max(theirs)
        return AccountReceipt(receipt_id, user_id, at, dict(self.rows[receipt_id].erased))

    def _settle(self, row: Demand, now: datetime) -> None:
        unanswered = row.at and any(service not in row.erased for service in SERVICES)
        row.resay_at = (row.resay_at or now + FIRST_PATIENCE) if unanswered else None
