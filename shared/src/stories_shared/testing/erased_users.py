"""Marks of erased users in memory."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from stories_shared.runtime.user_erasure import ErasureMark


@dataclass
class MemoryErasedUsers:
    """Marks and when they are due, as `MongoErasedUsers` stores them."""

    marks: dict[str, ErasureMark] = field(default_factory=dict)
    due_at: dict[str, datetime] = field(default_factory=dict)

    async def mark(self, user_id: str, until: datetime, receipt_id: str, lease_until: datetime) -> ErasureMark:
        before = self.marks.get(user_id, ErasureMark(user_id, until, ()))
        receipts = dict.fromkeys((*before.receipt_ids, receipt_id))
        self.marks[user_id] = ErasureMark(user_id, max(until, before.until), tuple(receipts))
        self.due_at[user_id] = lease_until
        return self.marks[user_id]

    async def claim(self, now: datetime, lease_until: datetime) -> ErasureMark | None:
        due = sorted((at, user_id) for user_id, at in self.due_at.items() if at <= now)
        if not due:
            return None
        self.due_at[due[0][1]] = lease_until
        return self.marks[due[0][1]]

    async def schedule(self, mark: ErasureMark, due_at: datetime) -> None:
        if self.marks[mark.user_id].until == mark.until:
            self.due_at[mark.user_id] = due_at

    async def finish(self, mark: ErasureMark, recheck_at: datetime | None) -> None:
        current = self.marks[mark.user_id]
        if current.until != mark.until:
            return
        left = tuple(receipt for receipt in current.receipt_ids if receipt not in mark.receipt_ids)
        self.marks[mark.user_id] = replace(current, receipt_ids=left)
        if recheck_at is None:
            del self.due_at[mark.user_id]
        else:
            self.due_at[mark.user_id] = recheck_at
