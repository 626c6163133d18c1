"""Reports of stories and comments, and decisions about them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

Kind = Literal["story", "comment"]
State = Literal["open", "decided"]
Action = Literal["keep", "remove", "remove_and_suspend"]

DECIDED_RETENTION = timedelta(days=30)
"""How long a report and its copy are kept after the decision (contract)."""

AUDIT_RETENTION = timedelta(days=365)
"""How long the log of decisions is kept."""

REPORT_GRACE = timedelta(hours=24)
"""How long after its end a ticket still serves to report (contract)."""

DEFAULT_SUSPENSION_DAYS = 30


@dataclass(frozen=True, slots=True)
class Target:
    """What was reported. `user_id`: the story's author or the comment's writer."""

    kind: Kind
    story_id: str
    user_id: str
    comment_id: str | None = None

    @property
    def key(self) -> str:
        """One key for each story and comment."""
        return f"{self.kind}/{self.comment_id or self.story_id}"


@dataclass(frozen=True, slots=True)
class NewReport:
    """A report as its reporter made it."""

    target: Target
    reporter_id: str
    reason: str
    text: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision about everything that was reported of one target. `until`: the end of the suspension."""

    action: Action
    admin_id: str
    at: datetime
    days: int | None = None

    @property
    def until(self) -> datetime | None:
        """The end of the suspension, if there is one."""
        return self.at + timedelta(days=self.days) if self.days is not None else None


@dataclass(frozen=True, slots=True)
class Report:
    """A report as admins see it. The reporter is never disclosed, to admins neither.

    `author_id` is null once its user was erased; `copy` once what was reported had gone before the report.
    """

    id: str
    kind: Kind
    story_id: str
    comment_id: str | None
    author_id: str | None
    reason: str
    text: str | None
    at: datetime
    state: State
    reports: int
    copy: Mapping[str, Any] | None
    decision: Decision | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A decision in the audit log."""

    id: str
    report_id: str
    kind: Kind
    story_id: str
    comment_id: str | None
    author_id: str | None
    decision: Decision
