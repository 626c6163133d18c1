"""Routes of reels, single stories, For You, and seen marks."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from stories_shared.auth.tokens import Caller
from stories_shared.clock import Clock
from stories_shared.http.authentication import CurrentCaller
from stories_shared.http.bodies import STORY_ID, Body, StoryId, UserId
from stories_shared.http.deadline import DEADLINE_S, DeadlineRoute
from stories_shared.http.paging import Cursors, read_page
from stories_shared.http.problems import not_found
from stories_shared.http.rate_limits import rate_limited
from stories_shared.http.raw_routes import PAGING, BytesResponse, raw_route

from stories_feed.domain.ttl import TtlPolicy
from stories_feed.routes.responses import (
    IS_USER_ID,
    JSON,
    USER_ID_SCHEMA,
    USER_IDS_QUERY,
    ReelBatch,
    ReelPage,
    as_json,
    cacheable_part,
    conditional_response,
    ready_items,
    user_ids_of,
)
from stories_feed.usecases.items import ItemWithAccess, ReelItem
from stories_feed.usecases.reels import MAX_REELS, ReadForYou, ReadReel, ReadReels, ReadStory
from stories_feed.usecases.seen import MarkSeenUpTo

IS_STORY_ID = re.compile(STORY_ID).fullmatch


class SeenRequest(Body):
    """The last story of a reel that was seen."""

    up_to: Annotated[StoryId, Field(description="the last story that was seen; those before it count as seen too")]


def story_routes(
    read_reel: ReadReel,
    read_reels: ReadReels,
    read_story: ReadStory,
    read_for_you: ReadForYou,
    mark_seen_up_to: MarkSeenUpTo,
    cursors: Cursors,
    ttl_policy: TtlPolicy,
    now: Clock,
) -> APIRouter:
    """Routes of stories."""
    router = APIRouter(route_class=DeadlineRoute, tags=["Viewing"])

    def window(entries: Sequence[ItemWithAccess]) -> int:
        return ttl_policy.cache_window({entry.story.audience for entry in entries}, now())

    @raw_route(
        router,
        "GET",
        "/v1/users/{user_id}/stories",
        summary="The stories of an author that the caller may see, oldest first",
        parameters={"user_id": USER_ID_SCHEMA},
        query=PAGING,
        answers={200: ReelPage, 304: None},
        limit="reads",
        deadline_s=DEADLINE_S,
    )
    async def get_reel(request: Request, caller: Caller, query: dict[str, str]) -> Response:
        user_id = request.path_params["user_id"]
        if not IS_USER_ID(user_id):
            raise not_found()
        page = read_page(query)
        route = f"reel/{user_id}"
        after = cursors.position(route, caller.user_id, page, tuple[datetime, str, int])
        entries, position = await read_reel(caller.user_id, user_id, after, page.limit)
        cursor = cursors.encode(route, caller.user_id, position) if position else None
        response = ReelPage(items=ready_items(entries), next_cursor=cursor)
        cacheable = [cacheable_part(entry) for entry in entries], cursor is not None, page.cursor
        return conditional_response(request, response, cacheable, window(entries))

    @raw_route(
        router,
        "GET",
        "/v1/reels",
        summary="The first twenty items of the reels of up to twenty authors",
        query=USER_IDS_QUERY,
        required=frozenset({"user_ids"}),
        answers={200: ReelBatch, 304: None},
        limit="reads",
        deadline_s=DEADLINE_S,
    )
    async def get_reels(request: Request, caller: Caller, query: dict[str, str]) -> Response:
        found = await read_reels(caller.user_id, user_ids_of(query.get("user_ids"), MAX_REELS))
        response = ReelBatch(reels={author: ready_items(entries) for author, entries in found.items()})
        cacheable = {author: [cacheable_part(entry) for entry in entries] for author, entries in found.items()}
        return conditional_response(request, response, cacheable, window(all_entries(found)))

    @raw_route(
        router,
        "GET",
        "/v1/stories/{story_id}",
        summary="One story that the caller may see, with new URLs and a new ticket; admins may see any live story",
        parameters={"story_id": {"type": "string", "pattern": STORY_ID}},
        answers={200: ReelItem},
        limit="reads",
        deadline_s=DEADLINE_S,
    )
    async def get_story(request: Request, caller: Caller, _query: dict[str, str]) -> Response:
        story_id = request.path_params["story_id"]
        if not IS_STORY_ID(story_id):
            raise not_found()
        found = await read_story(caller.user_id, story_id, admin=caller.is_admin)
        if found is None:
            raise not_found()
        return BytesResponse(found.body, [JSON])

    @raw_route(
        router,
        "GET",
        "/v1/for-you",
        summary="Public live stories of anyone that the caller has not seen, newest first",
        query=PAGING,
        answers={200: ReelPage},
        tags=("Discovery",),
        limit="reads",
        deadline_s=DEADLINE_S,
    )
    async def list_for_you(_request: Request, caller: Caller, query: dict[str, str]) -> Response:
        page = read_page(query)
        before = cursors.position("for-you", caller.user_id, page, tuple[datetime, str, int, str])
        entries, position = await read_for_you(caller.user_id, before, page.limit)
        cursor = cursors.encode("for-you", caller.user_id, position) if position else None
        return as_json(ReelPage(items=ready_items(entries), next_cursor=cursor))

    @router.put("/v1/users/{user_id}/seen", status_code=204, dependencies=[rate_limited("reads")], response_model=None)
    async def mark_seen(caller: CurrentCaller, user_id: UserId, body: SeenRequest) -> Response:
        """Mark an author's stories as seen on every device, up to and including one; no view is counted."""
        if not await mark_seen_up_to(caller.user_id, user_id, body.up_to):
            raise not_found()
        return Response(status_code=204)

    return router


def all_entries(reels: Mapping[str, Sequence[ItemWithAccess]]) -> list[ItemWithAccess]:
    """The entries of all reels."""
    return [entry for reel in reels.values() for entry in reel]
