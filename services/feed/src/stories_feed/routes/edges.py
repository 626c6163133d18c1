"""Routes of edges: follows, blocks, mutes and close friends of the caller."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter
from msgspec import Meta
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from stories_shared.auth.tokens import Caller
from stories_shared.clock import rfc3339
from stories_shared.http.authentication import CurrentCaller
from stories_shared.http.bodies import Body, UserId
from stories_shared.http.deadline import DEADLINE_S, DeadlineRoute
from stories_shared.http.openapi import refusals
from stories_shared.http.paging import Cursors, PageParams, read_page
from stories_shared.http.problems import invalid, problem
from stories_shared.http.rate_limits import rate_limited
from stories_shared.http.raw_routes import PAGING, raw_route
from stories_shared.timeouts import wait_at_most

from stories_feed.domain.edges import EdgeKey, EdgeListEntry, Kind, NotifyChoice, TooManyEdges
from stories_feed.routes.responses import as_json
from stories_feed.usecases.edges import ChangeEdge
from stories_feed.usecases.ports import EdgeRepository

PATHS = {
    Kind.FOLLOW: "following",
    Kind.BLOCK: "blocked",
    Kind.MUTE: "muted",
    Kind.CLOSE_FRIEND: "close-friends",
    Kind.HIDE: "hidden-from",
}
OPERATIONS = {
    Kind.FOLLOW: ("follow_user", "unfollow_user", "list_following"),
    Kind.BLOCK: ("block_user", "unblock_user", "list_blocked"),
    Kind.MUTE: ("mute_user", "unmute_user", "list_muted"),
    Kind.CLOSE_FRIEND: ("add_close_friend", "remove_close_friend", "list_close_friends"),
    Kind.HIDE: ("hide_from_user", "unhide_from_user", "list_hidden_from"),
}
"""Operation ids of adding, removing and listing."""
SUMMARIES = {
    Kind.FOLLOW: ("Follow a user", "Stop following a user", "Users whom the caller follows, newest first"),
    Kind.BLOCK: ("Block a user", "Unblock a user", "Users whom the caller blocks, newest first"),
    Kind.MUTE: ("Mute a user", "Unmute a user", "Users whom the caller mutes, newest first"),
    Kind.CLOSE_FRIEND: ("Add a close friend", "Remove a close friend", "The caller's close friends, newest first"),
    Kind.HIDE: ("Hide all stories from a user", "Show them again", "Users from whom the caller hides, newest first"),
}


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """A user on a list, and since when."""

    user_id: str
    since: str


class Followed(msgspec.Struct, frozen=True, kw_only=True):
    """A followed user, since when, and whether the caller is notified of new stories."""

    user_id: str
    since: str
    notify: Annotated[bool, Meta(description="whether new stories are announced to the caller")]


class FollowedPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of followed users, newest first."""

    items: list[Followed]
    next_cursor: str | None


class EdgePage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a list of users, newest first."""

    items: list[Edge]
    next_cursor: str | None


LIST_OPTIONS: dict[str, Any] = {
    "query": PAGING,
    "answers": {200: EdgePage},
    "limit": "reads",
}


class FollowOptions(Body):
    """Options of a follow."""

    notify: bool = Field(False, description="announce this author's new stories to the caller (`story-notified`)")


def edge_routes(change_edge: ChangeEdge, lists: EdgeRepository, cursors: Cursors, *, open_graph: bool) -> APIRouter:
    """Routes of the caller's edges. With an open graph users follow here, else only through the host application."""
    router = APIRouter(route_class=DeadlineRoute, tags=["Relationships"])
    for kind, name in PATHS.items():
        add_edge_routes(router, kind, name, change_edge, lists, cursors, editable=open_graph or kind is not Kind.FOLLOW)

    @raw_route(router, "GET", "/v1/followers", summary="The caller's followers, newest first", **LIST_OPTIONS)
    async def list_followers(_request: Request, caller: Caller, query: dict[str, str]) -> Response:
        page = read_page(query)
        after = cursors.position("followers", caller.user_id, page, tuple[datetime, str])
        found = await wait_at_most(DEADLINE_S, lists.users(Kind.FOLLOW, caller.user_id, after, page.limit + 1))
        return listing(found, page, cursors, "followers", caller.user_id)

    @router.delete(
        "/v1/followers/{user_id}",
        status_code=204,
        dependencies=[rate_limited("edges")],
        responses=refusals("external-graph"),
        response_model=None,
    )
    async def remove_follower(caller: CurrentCaller, user_id: UserId) -> Response:
        """Remove a user from the caller's followers. Idempotent."""
        await set_edge(change_edge, EdgeKey(Kind.FOLLOW, user_id, caller.user_id), on=False, editable=open_graph)
        return Response(status_code=204)

    return router


def add_edge_routes(
    router: APIRouter,
    kind: Kind,
    name: str,
    change_edge: ChangeEdge,
    lists: EdgeRepository,
    cursors: Cursors,
    *,
    editable: bool,
) -> None:
    """Add the routes of one kind of edge."""
    (adding, removing, listing_of), (add_summary, remove_summary, list_summary) = OPERATIONS[kind], SUMMARIES[kind]
    edit_options: dict[str, Any] = {
        "path": f"/v1/{name}/{{user_id}}",
        "status_code": 204,
        "dependencies": [rate_limited("edges")],
        "responses": refusals("external-graph") if kind is Kind.FOLLOW else {},
        "response_model": None,
    }

    async def put(caller: CurrentCaller, user_id: UserId) -> Response:
        """Idempotent. Yourself is refused."""
        await set_edge(change_edge, EdgeKey(kind, caller.user_id, user_id), on=True, editable=editable)
        return Response(status_code=204)

    async def follow(caller: CurrentCaller, user_id: UserId, body: FollowOptions | None = None) -> Response:
        """Idempotent. Yourself is refused; `notify` stays as it is where it is not sent."""
        key = EdgeKey(kind, caller.user_id, user_id)
        is_sent = body is not None and "notify" in body.model_fields_set
        notify = NotifyChoice(body.notify, caller.country) if body is not None and is_sent else None
        await set_edge(change_edge, key, on=True, editable=editable, notify=notify)
        return Response(status_code=204)

    add = follow if kind is Kind.FOLLOW else put
    router.put(**edit_options, name=adding, summary=add_summary)(add)

    @router.delete(**edit_options, name=removing, summary=remove_summary)
    async def delete(caller: CurrentCaller, user_id: UserId) -> Response:
        """Idempotent."""
        await set_edge(change_edge, EdgeKey(kind, caller.user_id, user_id), on=False, editable=editable)
        return Response(status_code=204)

    async def listed(_request: Request, caller: Caller, query: dict[str, str]) -> Response:
        page = read_page(query)
        after = cursors.position(name, caller.user_id, page, tuple[datetime, str])
        found = await wait_at_most(DEADLINE_S, lists.targets(kind, caller.user_id, after, page.limit + 1))
        return listing(found, page, cursors, name, caller.user_id)

    listed.__name__ = listing_of
    options = LIST_OPTIONS | ({"answers": {200: FollowedPage}} if kind is Kind.FOLLOW else {})
    raw_route(router, "GET", f"/v1/{name}", summary=list_summary, **options)(listed)


async def set_edge(
    change_edge: ChangeEdge, key: EdgeKey, *, on: bool, editable: bool, notify: NotifyChoice | None = None
) -> None:
    """Switch an edge on or off: 422 for the caller themselves, 403 if the host application owns the graph."""
    if key.user == key.target:
        raise invalid("must not be yourself", "path", "user_id")
    if not editable:
        raise problem("external-graph")
    try:
        await change_edge(key, on=on, notify=notify)
    except TooManyEdges as error:
        raise invalid(str(error), "path", "user_id") from error


def listing(found: Sequence[EdgeListEntry], page: PageParams, cursors: Cursors, route: str, user_id: str) -> Response:
    """A page of a list; ``found`` has one entry more if there is a next page."""
    entries, cursor = cursors.cut(route, user_id, page, found, lambda entry: entry.position)
    if route == PATHS[Kind.FOLLOW]:
        followed = [Followed(user_id=each.user_id, since=rfc3339(each.since), notify=each.notify) for each in entries]
        return as_json(FollowedPage(items=followed, next_cursor=cursor))
    items = [Edge(user_id=entry.user_id, since=rfc3339(entry.since)) for entry in entries]
    return as_json(EdgePage(items=items, next_cursor=cursor))
