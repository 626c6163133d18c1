"""Reports: file one, list them, decide about what was reported."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from stories_shared.auth.tickets import TicketRefused
from stories_shared.clock import Clock, truncate_to_ms

from stories_engagement.domain.access_state import AccessState
from stories_engagement.domain.errors import AccessDenied, NotFound, OwnContent
from stories_engagement.domain.reports import (
    DEFAULT_SUSPENSION_DAYS,
    REPORT_GRACE,
    Action,
    AuditEntry,
    Decision,
    NewReport,
    Report,
    State,
    Target,
)
from stories_engagement.usecases.access import ReadTicket
from stories_engagement.usecases.comments import CommentRepository


class ReportRepository(Protocol):
    """Stores reports, decisions and the audit log."""

    async def add(self, report: NewReport) -> bool: ...

    async def page(self, state: State | None, after: str | None, limit: int) -> Sequence[Report]: ...

    async def get(self, report_id: str) -> Report | None: ...

    async def decide(self, report_id: str, decision: Decision) -> str: ...

    async def audit(self, before: str | None, limit: int) -> Sequence[AuditEntry]: ...


@dataclass(frozen=True, slots=True)
class FileReport:
    """Report a story or a comment: one report for each reporter and target, further ones change nothing.

    A ticket serves 24 hours longer for this, also after the end of the story, a block, or a change of
    its audience. The author needs none to report comments.
    """

    reports: ReportRepository
    comments: CommentRepository
    read_ticket: ReadTicket
    access_state: AccessState
    now: Clock
    wake: Callable[[], None]

    async def story(self, user_id: str, story_id: str, ticket: str | None, reason: str, text: str | None) -> bool:
        """Report a story; whether the report is new. Raises `AccessDenied`, and `OwnContent` for its author."""
        author_id = self._author_of(user_id, story_id, ticket)
        return await self._add(Target("story", story_id, author_id), user_id, reason, text)

    async def comment(self, user_id: str, comment_id: str, ticket: str | None, reason: str, text: str | None) -> bool:
        """Report a comment; whether the report is new.

        Raises `NotFound` where the reporter cannot see it, `AccessDenied`, and `OwnContent` for its writer.
        """
        comment = await self.comments.get(comment_id)
        if comment is None:
            raise NotFound
        author_id = self._author_of(user_id, comment.story_id, ticket)
        if comment.hidden and user_id not in {author_id, comment.writer_id}:
            raise NotFound
        target = Target("comment", comment.story_id, comment.writer_id, comment_id)
        return await self._add(target, user_id, reason, text)

    def _author_of(self, user_id: str, story_id: str, text: str | None) -> str:
        now = self.now()
        known = self.access_state.story(story_id, now)
        if known is not None and known.author_id == user_id:
            return user_id
        if text is None:
            raise AccessDenied("missing")
        try:
            ticket = self.read_ticket(text, user_id, now, REPORT_GRACE)
        except TicketRefused as refused:
            raise AccessDenied("expired" if refused.reason == "ended" else refused.reason) from refused
        if ticket.story_id != story_id:
            raise AccessDenied("story")
        return ticket.author_id

    async def _add(self, target: Target, user_id: str, reason: str, text: str | None) -> bool:
        if target.user_id == user_id:
            raise OwnContent
        new = await self.reports.add(NewReport(target, user_id, reason, text, truncate_to_ms(self.now())))
        self.wake()
        return new


@dataclass(frozen=True, slots=True)
class DecideReport:
    """Decide about what was reported; all reports of it are decided with it.

    The decision, the audit entry and the mark of what is still to be done are one transaction. What was decided is then
    carried out, after a crash by the relay.
    """

    reports: ReportRepository
    carry_out: Callable[[str], Awaitable[None]]
    now: Clock

    async def __call__(self, admin_id: str, report_id: str, action: Action, days: int | None) -> Report:
        """The decided report. The same decision again changes nothing.

        Raises `NotFound`, and `AlreadyDecided` after another decision.
        """
        suspended_for = (days or DEFAULT_SUSPENSION_DAYS) if action == "remove_and_suspend" else None
        decision = Decision(action, admin_id, truncate_to_ms(self.now()), suspended_for)
        await self.carry_out(await self.reports.decide(report_id, decision))
        decided = await self.reports.get(report_id)
        if decided is None:
            raise NotFound
        return decided
