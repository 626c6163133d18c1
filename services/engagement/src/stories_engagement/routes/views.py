"""Views in, viewers out. Taking views is hot, so it is a plain route with msgspec, documented by hand."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter
from msgspec import Meta, Struct
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from stories_shared.clock import text
from stories_shared.events import Milliseconds, PlayId, Taps
from stories_shared.http.api import Who
from stories_shared.http.bodies import StoryId, StrictRoute
from stories_shared.http.documents import read_document
from stories_shared.http.limits import limited, spend
from stories_shared.http.paging import Cursors, Paged
from stories_shared.http.problems import invalid
from stories_shared.http.queries import query
from stories_shared.http.who import caller_of

from stories_engagement.metrics import EngagementMetrics
from stories_engagement.routes.parts import StoryTicket
from stories_engagement.usecases.admission import Admit
from stories_engagement.usecases.views import Entry, ListViewers, TakeViews

MOST_ENTRIES = 100
"""Views in one request (contract §5)."""

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
    router = APIRouter(route_class=StrictRoute, tags=["views"])

    async def take_views(request: Request) -> Response:
        caller = await caller_of(request)
        query(request)
        entries = entries_of(await read_document(request))
        spend(request, "views", caller.user_id, len(entries))
        taken = await take(caller.user_id, entries)
        for reason in taken.refusals:
            metrics.tickets_refused.labels(reason).inc()
        rejected = [{"index": index, "reason": reason} for index, reason in taken.rejected]
        body = msgspec.json.encode({"accepted": taken.accepted, "rejected": rejected})
        return Response(body, 202, media_type="application/json")

    router.add_route("/v1/views", take_views, methods=["POST"], include_in_schema=False)

    @router.get("/v1/stories/{story_id}/viewers", dependencies=[limited("reads")])
    async def list_viewers(story_id: StoryId, caller: Who, page: Paged, ticket: StoryTicket = None) -> ViewersShape:
        """Who viewed a story, newest first. For its author only."""
        admitted = admit(caller.user_id, story_id, ticket)
        name = f"viewers {story_id}"
        position = cursors.position(name, caller.user_id, page)
        found = await viewers(admitted, (position[0], position[1]) if position else None, page.limit)
        last = found.viewers[-1] if found.more else None
        return ViewersShape(
            items=[
                ViewerShape(viewer_id=v.viewer_id, viewed_at=text(v.viewed_at), plays=v.plays, reaction=v.reaction)
                for v in found.viewers
            ],
            next_cursor=cursors.seal(name, caller.user_id, [last.viewed_at, last.viewer_id]) if last else None,
            total=found.total,
            hidden=found.hidden,
        )

    return router


VIEWS_OPERATION: dict[str, Any] = {
    "tags": ["views"],
    "summary": "Take Views",
    "description": "Reports plays of stories, each with its ticket. Answered once the accepted ones are durable; they "
    "count when they are consumed. The same story, viewer and `play_id` is one play: send it again to retry or refine.",
    "operationId": "take_views_v1_views_post",
    "security": [{"bearer": []}],
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ViewsGiven"}}},
    },
    "responses": {
        "202": {
            "description": "What is durable, and what was not taken",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ViewsTaken"}}},
        }
    },
}


def views_schemas() -> dict[str, Any]:
    """The shapes of `POST /v1/views` for OpenAPI, made from the structs that read it."""
    _, shapes = msgspec.json.schema_components([ViewsGiven], ref_template="#/components/schemas/{name}")
    rejected = {
        "type": "object",
        "required": ["index", "reason"],
        "properties": {"index": {"type": "integer"}, "reason": {"enum": ["ticket", "ended"]}},
    }
    taken = {
        "type": "object",
        "required": ["accepted", "rejected"],
        "properties": {"accepted": {"type": "integer"}, "rejected": {"type": "array", "items": rejected}},
    }
    return {**shapes, "ViewsTaken": taken}
