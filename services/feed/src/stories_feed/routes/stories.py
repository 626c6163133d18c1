"""Routes of reels, single stories, For You, and seen marks."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Literal, NamedTuple

import msgspec
from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from stories_shared.auth.signed_text import MAX_SIGNED_CHARACTERS
from stories_shared.auth.tokens import Caller
from stories_shared.clock import Clock
from stories_shared.http.authentication import CurrentCaller
from stories_shared.http.bodies import STORY_ID, Body, StoryId, UserId
from stories_shared.http.deadline import DEADLINE_S, DeadlineRoute
from stories_shared.http.paging import Cursors, read_page
from stories_shared.http.problems import not_found
from stories_shared.http.queries import bad_query
from stories_shared.http.rate_limits import rate_limited
from stories_shared.http.raw_routes import PAGING, BytesResponse, raw_route

from stories_feed.domain.ranking import Place, RankKey
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
from stories_feed.usecases.build_items import ItemWithAccess
from stories_feed.usecases.explain import ExplainStory, Rule
from stories_feed.usecases.for_you import ReadForYou
from stories_feed.usecases.items import ReelItem
from stories_feed.usecases.ports import ViewPolicy
from stories_feed.usecases.reels import MAX_REELS, ReadReel, ReadReels, ReadStory
from stories_feed.usecases.seen import MarkSeenUpTo

FOR_YOU_VERSION: Literal[2] = 2
"""Of the positions in For You. A cursor of another version is rejected, and the client starts again."""
IS_STORY_ID = re.compile(STORY_ID).fullmatch


class ForYouPosition(NamedTuple):
    """A place in For You as a cursor has it."""

    version: Literal[2]
    time: int
    after: tuple[RankKey, ...]
    deferred: tuple[tuple[str, RankKey], ...]


class SeenRequest(Body):
    """The last story of a reel that was seen."""

    up_to: Annotated[StoryId, Field(description="the last story that was seen; those before it count as seen too")]


class RuleOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the viewer passes a rule, and why."""

    rule: Annotated[Rule, msgspec.Meta(description="which rule")]
    passed: Annotated[bool, msgspec.Meta(description="whether the viewer passes it")]
    detail: Annotated[str, msgspec.Meta(description="why, for a person to read")]


class StoryExplanation(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of every rule, also after the first that fails."""

    visible: Annotated[bool, msgspec.Meta(description="whether the viewer passes every rule")]
    rules: Annotated[list[RuleOutcome], msgspec.Meta(description="all rules")]


def story_routes(
    read_reel: ReadReel,
    read_reels: ReadReels,
    read_story: ReadStory,
    read_for_you: ReadForYou,
    mark_seen_up_to: MarkSeenUpTo,
    explain: ExplainStory,
    may_view: ViewPolicy,
    cursors: Cursors,
    ttl_policy: TtlPolicy,
    now: Clock,
) -> APIRouter:
    """Routes of stories."""
    router = APIRouter(route_class=DeadlineRoute, tags=["Viewing"])
    get = partial(raw_route, router, "GET", limit="reads", deadline_s=DEADLINE_S)

    def outside(caller: Caller) -> bool:
        return may_view(caller.user_id, caller.country) is not None

    def window(entries: Sequence[ItemWithAccess]) -> int:
        return ttl_policy.cache_window({entry.story.audience for entry in entries}, now())

    @get(
        "/v1/users/{user_id}/stories",
        summary="The stories of an author that the caller may see, oldest first",
        parameters={"user_id": USER_ID_SCHEMA},
        query=PAGING,
        answers={200: ReelPage, 304: None},
    )
    async def get_reel(request: Request, caller: Caller, query: dict[str, str]) -> Response:
        user_id = request.path_params["user_id"]
        if not IS_USER_ID(user_id):
            raise not_found()
        page = read_page(query)
        route = f"reel/{user_id}"
        after = cursors.position(route, caller.user_id, page, tuple[datetime, str, int])
        if outside(caller):
            return conditional_response(request, ReelPage(items=[], next_cursor=None), None, window([]))
        entries, position = await read_reel(caller.user_id, user_id, after, page.limit)
        cursor = cursors.encode(route, caller.user_id, position) if position else None
        response = ReelPage(items=ready_items(entries), next_cursor=cursor)
        cacheable = [cacheable_part(entry) for entry in entries], cursor is not None, page.cursor
        return conditional_response(request, response, cacheable, window(entries))

    @get(
        "/v1/reels",
        summary="The first twenty items of the reels of up to twenty authors",
        query=USER_IDS_QUERY,
        required=frozenset({"user_ids"}),
        answers={200: ReelBatch, 304: None},
    )
    async def get_reels(request: Request, caller: Caller, query: dict[str, str]) -> Response:
        users = user_ids_of(query.get("user_ids"), MAX_REELS)
        found = {user: [] for user in users} if outside(caller) else await read_reels(caller.user_id, users)
        response = ReelBatch(reels={author: ready_items(entries) for author, entries in found.items()})
        cacheable = {author: [cacheable_part(entry) for entry in entries] for author, entries in found.items()}
        return conditional_response(request, response, cacheable, window(all_entries(found)))

    @get(
        "/v1/stories/{story_id}",
        summary="One story that the caller may see, with new URLs and a new ticket; admins may see any live story",
        parameters={"story_id": {"type": "string", "pattern": STORY_ID}},
        answers={200: ReelItem},
    )
    async def get_story(request: Request, caller: Caller, _query: dict[str, str]) -> Response:
        story_id = request.path_params["story_id"]
        if not IS_STORY_ID(story_id) or (outside(caller) and not caller.is_admin):
            raise not_found()
        found = await read_story(caller.user_id, story_id, admin=caller.is_admin)
        if found is None:
            raise not_found()
        return BytesResponse(found.body, [JSON])

    @get(
        "/v1/for-you",
        summary="Public live stories of anyone that the caller has not seen, ranked by freshness and engagement",
        query=PAGING,
        answers={200: ReelPage},
        tags=("Discovery",),
    )
    async def list_for_you(_request: Request, caller: Caller, query: dict[str, str]) -> Response:
        page = read_page(query)
        position = cursors.position("for-you", caller.user_id, page, ForYouPosition)
        if outside(caller):
            return as_json(ReelPage(items=[], next_cursor=None))
        entries, next_place = await read_for_you(caller.user_id, place_of(position) if position else None, page.limit)
        cursor = for_you_cursor(cursors, caller.user_id, next_place) if next_place else None
        return as_json(ReelPage(items=ready_items(entries), next_cursor=cursor))

    @get(
        "/v1/stories/{story_id}/explain",
        summary="Why a viewer sees a story or not: every rule with its outcome, for the author and admins",
        parameters={"story_id": {"type": "string", "pattern": STORY_ID}},
        query={"viewer": {**USER_ID_SCHEMA, "description": "the viewer's user id"}},
        required=frozenset({"viewer"}),
        answers={200: StoryExplanation},
    )
    async def explain_story(request: Request, caller: Caller, query: dict[str, str]) -> Response:
        story_id, viewer = request.path_params["story_id"], query.get("viewer", "")
        if not IS_STORY_ID(story_id):
            raise not_found()
        if not IS_USER_ID(viewer):
            raise bad_query("viewer", "must be a user id")
        found = await explain(story_id, viewer, caller.country if caller.user_id == viewer else None)
        if found is None or not (caller.is_admin or caller.user_id == found.author_id):
            raise not_found()
        rules = [RuleOutcome(rule=each.rule, passed=each.passed, detail=each.detail) for each in found.rules]
        return as_json(StoryExplanation(visible=found.visible, rules=rules))

    @router.put("/v1/users/{user_id}/seen", status_code=204, dependencies=[rate_limited("reads")], response_model=None)
    async def mark_seen(caller: CurrentCaller, user_id: UserId, body: SeenRequest) -> Response:
        """Mark an author's stories as seen on every device, up to and including one; no view is counted."""
        if outside(caller) or not await mark_seen_up_to(caller.user_id, user_id, body.up_to):
            raise not_found()
        return Response(status_code=204)

    return router


def place_of(position: ForYouPosition) -> Place:
    """The place of a cursor."""
    return Place(position.time, position.after[0] if position.after else None, position.deferred)


def for_you_cursor(cursors: Cursors, user_id: str, place: Place) -> str:
    """The cursor of a place. Where the ids of the authors who wait are too long for one, the lowest ranks give way."""
    deferred = sorted(place.deferred, key=lambda each: each[1])
    while True:
        cursor = cursors.encode(
            "for-you", user_id, (FOR_YOU_VERSION, place.time, [place.after] if place.after else [], deferred)
        )
        if len(cursor) <= MAX_SIGNED_CHARACTERS:
            return cursor
        deferred.pop()


def all_entries(reels: Mapping[str, Sequence[ItemWithAccess]]) -> list[ItemWithAccess]:
    """The entries of all reels."""
    return [entry for reel in reels.values() for entry in reel]
