"""Reports of stories and comments, and what admins do about them."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import Response
from stories_shared.http.authentication import AdminCaller, CurrentCaller
from stories_shared.http.bodies import Body, StoryId, Text
from stories_shared.http.deadline import DeadlineRoute
from stories_shared.http.openapi import refusals
from stories_shared.http.paging import Cursors, Page, Paged
from stories_shared.http.rate_limits import rate_limited

from stories_engagement.domain.reports import Action, Kind, State
from stories_engagement.metrics import EngagementMetrics
from stories_engagement.routes.dependencies import Moment, StoryTicket
from stories_engagement.usecases.reports import DecideReport, FileReport, ReportRepository

ACCEPTED = 202
MAX_SUSPENSION_DAYS = 3_650

DecidedAction = Annotated[Action, Field(description="what to do: keep, remove, or also suspend")]
ByState = Annotated[State | None, Query(description="only reports in this state")]


class ReportCreate(Body):
    """Why a story or comment is reported."""

    reason: Annotated[str, Text(1, 100)] = Field(description="a word of the client's choice", examples=["spam"])
    text: Annotated[str, Text(1, 2_000)] | None = Field(None, description="what the reporter adds")


class DecisionCreate(Body):
    """What to do about what was reported."""

    action: DecidedAction
    days: Annotated[int, Field(ge=1, le=MAX_SUSPENSION_DAYS)] | None = Field(
        None, description="length of the suspension, null: 30; of no meaning for other actions"
    )


class DecisionResponse(BaseModel):
    """A decision. `until` is the end of a suspension."""

    action: DecidedAction
    days: Annotated[int | None, Field(description="length of a suspension")]
    until: Annotated[Moment | None, Field(description="the end of a suspension")]
    decided_by: Annotated[str, Field(validation_alias="admin_id", description="the admin's user id")]
    decided_at: Annotated[Moment, Field(validation_alias="at", description="when it was decided")]


class ReportResponse(BaseModel):
    """A report as admins see it; who made it is never disclosed.

    `author_id` made what was reported, and is null once their account was erased. `copy` is what was reported, null if
    it was gone before. `reports` is how many users have reported it.
    """

    id: str
    kind: Kind
    story_id: str
    comment_id: str | None
    author_id: str | None
    reason: Annotated[str, Field(description="the reporter's word")]
    text: Annotated[str | None, Field(description="what the reporter added; null once their account was erased")]
    reports: Annotated[int, Field(description="how many users have reported it")]
    reported_at: Annotated[Moment, Field(validation_alias="at", description="when it was reported")]
    state: State
    copied: dict[str, Any] | None = Field(
        alias="copy", description="what was reported, as it was then; null if it was gone before"
    )
    decision: Annotated[DecisionResponse | None, Field(description="what was decided; null while it is open")]


class AuditEntryResponse(BaseModel):
    """Who decided what and when. `author_id` is null once the account was erased."""

    id: str
    report_id: Annotated[str, Field(description="the report's id")]
    kind: Kind
    story_id: str
    comment_id: str | None
    author_id: str | None
    decision: Annotated[DecisionResponse, Field(description="what was decided")]


def report_routes(
    file: FileReport, reports: ReportRepository, decide: DecideReport, cursors: Cursors, metrics: EngagementMetrics
) -> APIRouter:
    """Reporting, and the queue of reports for admins."""
    router = APIRouter(route_class=DeadlineRoute, tags=["Moderation"])

    @router.post(
        "/v1/stories/{story_id}/reports",
        status_code=ACCEPTED,
        response_class=Response,
        dependencies=[rate_limited("reports")],
    )
    async def report_story(
        story_id: StoryId, body: ReportCreate, caller: CurrentCaller, ticket: StoryTicket = None
    ) -> Response:
        """Report a story to the admins. Its ticket serves 24 hours longer for this."""
        if await file.story(caller.user_id, story_id, ticket, body.reason, body.text):
            metrics.reports.labels("story").inc()
        return Response(status_code=ACCEPTED)

    @router.post(
        "/v1/comments/{comment_id}/reports",
        status_code=ACCEPTED,
        response_class=Response,
        dependencies=[rate_limited("reports")],
    )
    async def report_comment(
        comment_id: StoryId, body: ReportCreate, caller: CurrentCaller, ticket: StoryTicket = None
    ) -> Response:
        """Report a comment to the admins, with the ticket of its story."""
        if await file.comment(caller.user_id, comment_id, ticket, body.reason, body.text):
            metrics.reports.labels("comment").inc()
        return Response(status_code=ACCEPTED)

    @router.get("/v1/admin/reports", dependencies=[rate_limited("reads")])
    async def list_reports(caller: AdminCaller, page: Paged, state: ByState = None) -> Page[ReportResponse]:
        """Reports, the oldest first."""
        name = f"reports {state}"
        after = cursors.position(name, caller.user_id, page, tuple[str])
        found = await reports.page(state, after[0] if after else None, page.limit + 1)
        shown, cursor = cursors.cut(name, caller.user_id, page, found, lambda report: [report.id])
        return Page(
            items=[ReportResponse.model_validate(report, from_attributes=True) for report in shown], next_cursor=cursor
        )

    @router.post(
        "/v1/admin/reports/{report_id}/decision",
        dependencies=[rate_limited("writes")],
        responses=refusals("wrong-state"),
    )
    async def decide_report(report_id: StoryId, body: DecisionCreate, caller: AdminCaller) -> ReportResponse:
        """Decide about what was reported. All reports of the same story or comment are decided with this one."""
        decided = await decide(caller.user_id, report_id, body.action, body.days)
        metrics.decisions.labels(body.action).inc()
        return ReportResponse.model_validate(decided, from_attributes=True)

    @router.get("/v1/admin/audit", dependencies=[rate_limited("reads")])
    async def list_audit(caller: AdminCaller, page: Paged) -> Page[AuditEntryResponse]:
        """Every decision with who and when, the newest first."""
        before = cursors.position("audit", caller.user_id, page, tuple[str])
        found = await reports.audit(before[0] if before else None, page.limit + 1)
        shown, cursor = cursors.cut("audit", caller.user_id, page, found, lambda entry: [entry.id])
        return Page(
            items=[AuditEntryResponse.model_validate(entry, from_attributes=True) for entry in shown],
            next_cursor=cursor,
        )

    return router
