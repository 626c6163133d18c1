"""Views and viewers. `POST /v1/views` is a hot path, so it is a raw route with msgspec."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter
from msgspec import Meta, Struct
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response
from stories_shared.auth.tokens import Caller
from stories_shared.clock import rfc3339
from stories_shared.events import Milliseconds, PlayId, Taps
from stories_shared.http.authentication import CurrentCaller
from stories_shared.http.bodies import StoryId
from stories_shared.http.deadline import DEADLINE_S, DeadlineRoute
from stories_shared.http.paging import Cursors, Paged
from stories_shared.http.problems import invalid
from stories_shared.http.rate_limits import consume, rate_limited
from stories_shared.http.raw_routes import raw_route
from stories_shared.http.strict_json import read_document
from stories_shared.timeouts import wait_at_most

from stories_engagement.metrics import EngagementMetrics
from stories_engagement.usecases.access import CheckAccess
from stories_engagement.usecases.views import ListViewers, ReportedView, ReportViews

MAX_VIEWS = 100
"""Views in one request (docs/http.md)."""

Count = Annotated[int, Meta(ge=0, le=10_000)]


class TapsRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """How often the viewer tapped forward, back and out."""

    forward: Count = 0
    back: Count = 0
    exit: Count = 0


class ViewRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """One view as a client reports it."""

    ticket: Annotated[str, Meta(description="the item's ticket")]
    play_id: Annotated[
        PlayId | None, Meta(description="the client's id of this play: reported again, it refines the play")
    ] = None
    watched_ms: Annotated[Milliseconds, Meta(description="milliseconds watched")] = 0
    completed: Annotated[bool, Meta(description="whether it was played to its end")] = False
    taps: Annotated[TapsRequest, Meta(description="taps during the play")] = TapsRequest()


class ViewReport(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/views`."""

    views: Annotated[list[ViewRequest], Meta(max_length=MAX_VIEWS, description="at most 100 views")]


class RejectedView(Struct, frozen=True):
    """A view that was not taken: its place in the request, and whether its ticket or its story is over."""

    index: Annotated[int, Meta(description="its place in `views`, from 0")]
    reason: Annotated[
        Literal["ticket", "ended"], Meta(description="whether its ticket is no good or its story has ended")
    ]


class ViewReportResult(Struct, frozen=True):
    """How many views are durable, and which are not taken."""

    accepted: Annotated[int, Meta(description="views that are durable")]
    rejected: Annotated[list[RejectedView], Meta(description="views that are not taken")]


encode = msgspec.json.Encoder().encode


def entries_of(document: Any) -> list[ReportedView]:
    """The views of a body. Raises the 422 problem for a wrong shape."""
    try:
        request = msgspec.convert(document, ViewReport)
    except msgspec.ValidationError as error:
        raise invalid(str(error), "body") from error
    return [
        ReportedView(
            ticket=view.ticket,
            play_id=view.play_id,
            watched_ms=view.watched_ms,
            completed=view.completed,
            taps=Taps(forward=view.taps.forward, back=view.taps.back, exit=view.taps.exit),
        )
        for view in request.views
    ]


class ViewerResponse(BaseModel):
    """One viewer; `viewed_at` is the first time."""

    viewer_id: str
    viewed_at: Annotated[str, Field(description="when they viewed it first")]
    plays: Annotated[int, Field(description="how often they played it")]
    reaction: Annotated[str | None, Field(description="their emoji; null without one")]


class ViewerPage(BaseModel):
    """A page of viewers; `total` counts all, `hidden` those of them that no page shows."""

    items: list[ViewerResponse]
    next_cursor: str | None
    total: Annotated[int, Field(description="all viewers, hidden ones too")]
    hidden: Annotated[int, Field(description="viewers that no page shows")]


def view_routes(
    check_access: CheckAccess, report: ReportViews, viewers: ListViewers, cursors: Cursors, metrics: EngagementMetrics
) -> APIRouter:
    """`POST /v1/views` and the list of viewers."""
    router = APIRouter(route_class=DeadlineRoute, tags=["Views"])

    @raw_route(
        router,
        "POST",
        "/v1/views",
        summary="Report plays of stories: answered once the accepted ones are durable, counted when they are consumed",
        body=ViewReport,
        answers={202: ViewReportResult},
        refusals=("rate-limited",),
    )
    async def report_views(request: Request, caller: Caller, _query: dict[str, str]) -> Response:
        entries = entries_of(await read_document(request))
        consume(request, "views", caller.user_id, len(entries))
        result = await wait_at_most(DEADLINE_S, report(caller.user_id, entries))
        for reason in result.refusals:
            metrics.tickets_refused.labels(reason).inc()
        rejected = [RejectedView(index, reason) for index, reason in result.rejected]
        return Response(encode(ViewReportResult(result.accepted, rejected)), 202, media_type="application/json")

    @router.get("/v1/stories/{story_id}/viewers", dependencies=[rate_limited("reads")])
    async def list_viewers(story_id: StoryId, caller: CurrentCaller, page: Paged) -> ViewerPage:
        """Who viewed a story, newest first. For its author only."""
        access = check_access.author(caller.user_id, story_id)
        name = f"viewers {story_id}"
        found = await viewers(access, cursors.position(name, caller.user_id, page, tuple[datetime, str]), page.limit)
        return ViewerPage(
            items=[
                ViewerResponse(
                    viewer_id=v.viewer_id, viewed_at=rfc3339(v.viewed_at), plays=v.plays, reaction=v.reaction
                )
                for v in found.viewers
            ],
            next_cursor=cursors.encode(name, caller.user_id, found.next_position) if found.next_position else None,
            total=found.total,
            hidden=found.hidden,
        )

    return router
