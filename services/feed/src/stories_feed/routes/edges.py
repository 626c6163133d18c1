"""What users decide about each other: whom they follow, block, mute, and count as close friends."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from stories_shared.auth.tokens import Caller
from stories_shared.clock import rfc3339
from stories_shared.http.authentication import CurrentCaller
from stories_shared.http.bodies import UserId
from stories_shared.http.deadline import DeadlineRoute, with_deadline
from stories_shared.http.openapi import problem_answer
from stories_shared.http.paging import Cursors, PageParams, read_page
from stories_shared.http.problems import forbidden, invalid
from stories_shared.http.rate_limits import rate_limited
from stories_shared.http.raw_routes import PAGING, raw_route

from stories_feed.domain.edges import EdgeKey, Kind, TooManyEdges
from stories_feed.routes.responses import Edge, Edges, as_json
from stories_feed.usecases.edges import ChangeEdge, EdgeListEntry, EdgeLists

PATHS = {
    Kind.FOLLOW: "following",
    Kind.BLOCK: "blocked",
    Kind.MUTE: "muted",
    Kind.CLOSE_FRIEND: "close-friends",
}


LISTED: dict[str, Any] = {
    "query": PAGING,
    "answers": {200: Edges},
    "limit": "reads",
}


def edge_routes(decide: ChangeEdge, lists: EdgeLists, cursors: Cursors, *, open_graph: bool) -> APIRouter:
    """The edges of the caller.

    Args:
        decide: the verb.
        lists: of edges.
        cursors: of lists.
        open_graph: whether users may follow here, or the host application alone says who follows whom.
    """
    router = APIRouter(route_class=DeadlineRoute, tags=["edges"])
    for kind, name in PATHS.items():
        add_edge_routes(router, kind, name, decide, lists, cursors, editable=open_graph or kind is not Kind.FOLLOW)

    @raw_route(router, "GET", "/v1/followers", summary="Who follows the caller, the newest first", **LISTED)
    async def followers(_request: Request, caller: Caller, query: dict[str, str]) -> Response:
        page = read_page(query)
        after = cursors.position("followers", caller.user_id, page, tuple[datetime, str])
        found = await with_deadline(lists.users(Kind.FOLLOW, caller.user_id, after, page.limit + 1))
        return listing(found, page, cursors, "followers", caller.user_id)

    @router.delete(
        "/v1/followers/{user_id}",
        status_code=204,
        dependencies=[rate_limited("edges")],
        responses={403: problem_answer(403)},
        response_model=None,
    )
    async def remove_follower(caller: CurrentCaller, user_id: UserId) -> Response:
        """Make somebody follow the caller no more."""
        await change(decide, EdgeKey(Kind.FOLLOW, user_id, caller.user_id), on=False, editable=open_graph)
        return Response(status_code=204)

    return router


def add_edge_routes(
    router: APIRouter, kind: Kind, name: str, decide: ChangeEdge, lists: EdgeLists, cursors: Cursors, *, editable: bool
) -> None:
    """The routes of one kind of edge."""
    edits: dict[str, Any] = {
        "path": f"/v1/{name}/{{user_id}}",
        "status_code": 204,
        "dependencies": [rate_limited("edges")],
        "responses": {} if editable else {403: problem_answer(403)},
        "response_model": None,
    }

    @router.put(**edits, name=f"put-{name}")
    async def put(caller: CurrentCaller, user_id: UserId) -> Response:
        """Decide so about a user. Idempotent."""
        await change(decide, EdgeKey(kind, caller.user_id, user_id), on=True, editable=editable)
        return Response(status_code=204)

    @router.delete(**edits, name=f"delete-{name}")
    async def delete(caller: CurrentCaller, user_id: UserId) -> Response:
        """Take the decision back. Idempotent."""
        await change(decide, EdgeKey(kind, caller.user_id, user_id), on=False, editable=editable)
        return Response(status_code=204)

    async def listed(_request: Request, caller: Caller, query: dict[str, str]) -> Response:
        page = read_page(query)
        after = cursors.position(name, caller.user_id, page, tuple[datetime, str])
        found = await with_deadline(lists.targets(kind, caller.user_id, after, page.limit + 1))
        return listing(found, page, cursors, name, caller.user_id)

    listed.__name__ = f"list-{name}"
    raw_route(router, "GET", f"/v1/{name}", summary="Users on this list of the caller, the newest first", **LISTED)(
        listed
    )


async def change(decide: ChangeEdge, pair: EdgeKey, *, on: bool, editable: bool) -> None:
    """Decide, unless the graph is somebody else's or the user is the same."""
    if pair.user == pair.target:
        raise invalid("must not be yourself", "path", "user_id")
    if not editable:
        raise forbidden("external-graph")
    try:
        await decide(pair, on=on)
    except TooManyEdges as error:
        raise invalid(str(error), "path", "user_id") from error


def listing(found: Sequence[EdgeListEntry], page: PageParams, cursors: Cursors, route: str, user_id: str) -> Response:
    """A page of a list, from one entry more than it shows."""
    shown = found[: page.limit]
    last = shown[-1] if len(found) > page.limit else None
    cursor = cursors.encode(route, user_id, (last.since, last.user_id)) if last else None
    items = [Edge(user_id=each.user_id, since=rfc3339(each.since)) for each in shown]
    return as_json(Edges(items=items, next_cursor=cursor))
