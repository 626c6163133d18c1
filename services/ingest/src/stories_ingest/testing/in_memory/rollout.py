"""What may pause `create`."""

# ruff: noqa: ARG002  (the port has parameters that the fake does not need)

from dataclasses import dataclass
from datetime import datetime


@dataclass(slots=True)
class MemorySignals:
    """What may pause `create`, as a test sets it."""

    ended: int = 0
    failed: int = 0
    overdue: datetime | None = None
    cause: datetime | None = None

    async def media_jobs(self, since: datetime) -> tuple[int, int]:
        return self.ended, self.failed

    async def oldest_overdue(self, now: datetime) -> datetime | None:
        return self.overdue

    async def record_cause(self, at: datetime) -> None:
        self.cause = at

    async def last_cause(self) -> datetime | None:
        return self.cause
