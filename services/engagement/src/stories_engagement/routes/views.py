"""Views in, viewers out. Taking views is hot, so it is a plain route with msgspec."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter
from msgspec import Meta, Struct
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from stories_shared.auth.tokens import Caller
from stories_shared.clock import text
from stories_shared.events import Milliseconds, PlayId, Taps
from stories_shared.http.app import Who
from stories_shared.http.bodies import StoryId
from stories_shared.http.deadline import TimelyRoute, timely
from stories_shared.http.paging import Cursors, Paged
from stories_shared.http.problems import invalid
from stories_shared.http.rate_limits import limited, spend
from stories_shared.http.raw_routes import hot
from stories_shared.http.strict_json import read_document

from stories_engagement.metrics import EngagementMetrics
from stories_engagement.routes.dependencies import StoryTicket
from stories_engagement.usecases.access import Admit
from stories_engagement.usecases.views import Entry, ListViewers, TakeViews

MOST_ENTRIES = 100
"""Views in one request (docs/http.md)."""

Count = Annotated[int, Meta(ge=0, le=10_000)]


class TapsGiven(Struct, frozen=True, forbid_unknown_fields=True):
    """How often the viewer tapped forward, back and out."""

    forward: Count = 0
    back: Count = 0
    exit: Count = 0


class ViewGiven(Struct, frozen=True, forbid_unknown_fields=True):
    """One view as a client reports it."""

    ticket: str
    play_id: PlayId | None = None
    watched_ms: Milliseconds = 0
    completed: bool = False
    taps: TapsGiven = TapsGiven()


class ViewsGiven(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/views`."""

    views: Annotated[list[ViewGiven], Meta(max_length=MOST_ENTRIES)]


class Rejected(Struct, frozen=True):
    """A view that was not taken: its place in the request, and whether its ticket or its story is over."""

    index: int
    reason: Literal["ticket", "ended"]


class ViewsTaken(Struct, frozen=True):
    """How many views are durable, and which are not taken."""

    accepted: int
    rejected: list[Rejected]


encode = msgspec.json.Encoder().encode


def entries_of(document: Any) -> list[Entry]:
    """The views of a body. Raises the 422 problem for a wrong shape."""
    try:
        given = msgspec.convert(document, ViewsGiven)
    except msgspec.ValidationError as error:
        raise invalid(str(error), "body") from error
    return [
        Entry(
            ticket=view.ticket,
            play_id=view.play_id,
            watched_ms=view.watched_ms,
            completed=view.completed,
            taps=Taps(forward=view.taps.forward, back=view.taps.back, exit=view.taps.exit),
        )
        for view in given.views
    ]


class ViewerShape(BaseModel):
    """One viewer; `viewed_at` is the first time."""

    viewer_id: str
    viewed_at: str
    plays: int
    reaction: str | None


class ViewersShape(BaseModel):
    """A page of viewers; `total` counts all, `hidden` those of them that no page shows."""

    items: list[ViewerShape]
    next_cursor: str | None
    total: int
    hidden: int


def view_routes(
    admit: Admit, take: TakeViews, viewers: ListViewers, cursors: Cursors, metrics: EngagementMetrics
) -> APIRouter:
    """`POST /v1/views` and the list of viewers."""
    router = APIRouter(route_class=TimelyRoute, tags=["views"])

    @hot(
        router,
        "POST",
        "/v1/views",
        summary="Report plays of stories: answered once the accepted ones are durable, counted when they are consumed",
        body=ViewsGiven,
        answers={202: ViewsTaken, 429: None},
    )
    async def take_views(request: Request, caller: Caller, _query: dict[str, str]) -> Response:
        entries = entries_of(await read_document(request))
        spend(request, "views", caller.user_id, len(entries))
        taken = await timely(take(caller.user_id, entries))
        for reason in taken.refusals:
            metrics.tickets_refused.labels(reason).inc()
        rejected = [Rejected(index, reason) for index, reason in taken.rejected]
        return Response(encode(ViewsTaken(taken.accepted, rejected)), 202, media_type="application/json")

    @router.get("/v1/stories/{story_id}/viewers", dependencies=[limited("reads")])
    async def list_viewers(story_id: StoryId, caller: Who, page: Paged, ticket: StoryTicket = None) -> ViewersShape:
        """Who viewed a story, newest first. For its author only."""
        admitted = await admit(caller.user_id, story_id, ticket)
        name = f"viewers {story_id}"
        found = await viewers(admitted, cursors.position(name, caller.user_id, page, tuple[datetime, str]), page.limit)
        return ViewersShape(
            items=[
                ViewerShape(viewer_id=v.viewer_id, viewed_at=text(v.viewed_at), plays=v.plays, reaction=v.reaction)
                for v in found.viewers
            ],
            next_cursor=cursors.seal(name, caller.user_id, found.following) if found.following else None,
            total=found.total,
            hidden=found.hidden,
        )

    return router
