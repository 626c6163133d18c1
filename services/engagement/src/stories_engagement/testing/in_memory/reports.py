"""Reports and decisions."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from stories_shared.events.ids import new_id

from stories_engagement.domain.errors import AlreadyDecided, NotFound
from stories_engagement.domain.reports import AuditEntry, Decision, NewReport, Report, State, Target
from stories_engagement.testing.in_memory.database import MemoryDatabase


@dataclass
class MemoryReports:
    """Stores reports and decisions."""

    database: MemoryDatabase

    async def add(self, report: NewReport) -> bool:
        database, target = self.database, report.target
        if (target.key, report.reporter_id) in database.reporters:
            return False
        same = self._of(target.key)
        report_id = new_id()
        database.reporters[target.key, report.reporter_id] = report_id
        database.reports[report_id] = Report(
            id=report_id,
            kind=target.kind,
            story_id=target.story_id,
            comment_id=target.comment_id,
            author_id=target.user_id,
            reason=report.reason,
            text=report.text,
            at=report.at,
            state=same[0].state if same else "open",
            reports=len(same),
            copy=same[0].copy if same else self._copy(target),
            decision=same[0].decision if same else None,
        )
        for kept in self._of(target.key):
            database.reports[kept.id] = replace(kept, reports=len(same) + 1)
        return True

    async def page(self, state: State | None, after: str | None, limit: int) -> list[Report]:
        found = sorted(self.database.reports.values(), key=lambda report: report.id)
        return [r for r in found if state in {None, r.state} and (after is None or r.id > after)][:limit]

    async def get(self, report_id: str) -> Report | None:
        return self.database.reports.get(report_id)

    async def decide(self, report_id: str, decision: Decision) -> str:
        report = self.database.reports.get(report_id)
        if report is None:
            raise NotFound
        key = f"{report.kind}/{report.comment_id or report.story_id}"
        if report.decision is not None:
            if report.decision.action != decision.action:
                raise AlreadyDecided
            return key
        for kept in self._of(key):
            self.database.reports[kept.id] = replace(kept, state="decided", decision=decision)
        about = report.kind, report.story_id, report.comment_id, report.author_id
        self.database.audit.append(AuditEntry(new_id(), report_id, *about, decision))
        return key

    async def audit(self, before: str | None, limit: int) -> list[AuditEntry]:
        return [entry for entry in reversed(self.database.audit) if before is None or entry.id < before][:limit]

    async def open_reports(self) -> int:
        return len(await self.page("open", None, 1_000))

    def _of(self, key: str) -> list[Report]:
        return [r for r in self.database.reports.values() if f"{r.kind}/{r.comment_id or r.story_id}" == key]

    def _copy(self, target: Target) -> Mapping[str, Any] | None:
        if target.comment_id is not None:
            comment = self.database.comments.get(target.comment_id)
            return {"text": comment.text} if comment else None
        story = self.database.content.get(target.story_id)
        return {"caption": story.caption} if story else None
