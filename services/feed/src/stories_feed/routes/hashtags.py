"""Routes of hashtags and mentions."""

from datetime import datetime
from functools import partial
from typing import Annotated

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from stories_shared.auth.tokens import Caller
from stories_shared.events.layers import MAX_TAG, folded_tag
from stories_shared.http.deadline import DEADLINE_S
from stories_shared.http.paging import Cursors, read_page
from stories_shared.http.problems import not_found
from stories_shared.http.queries import bad_query
from stories_shared.http.raw_routes import PAGING, raw_route

from stories_feed.domain.recency import RecencyLists
from stories_feed.routes.responses import ReelPage, as_json, ready_items
from stories_feed.usecases.newest import ReadNewest
from stories_feed.usecases.ports import ViewPolicy
from stories_feed.usecases.visible_stories import VisibleStories

MAX_HASHTAGS = 20


class Hashtag(msgspec.Struct, frozen=True, kw_only=True):
    """A hashtag, case-folded, and the number of public live stories that have it."""

    tag: Annotated[str, msgspec.Meta(description="case-folded, without `#`")]
    stories: Annotated[int, msgspec.Meta(description="public live stories that have it")]


class HashtagPage(msgspec.Struct, frozen=True, kw_only=True):
    """Hashtags, those with most stories first. There is one page."""

    items: list[Hashtag]
    next_cursor: str | None = None


def hashtag_routes(
    hashtags: RecencyLists,
    read_hashtag: ReadNewest,
    read_mentions: ReadNewest,
    visible_stories: VisibleStories,
    cursors: Cursors,
    may_view: ViewPolicy,
) -> APIRouter:
    """Routes of hashtags and mentions."""
    router = APIRouter(tags=["Discovery"])
    get = partial(raw_route, router, "GET", limit="reads", deadline_s=DEADLINE_S)

    async def page_of(read: ReadNewest, route: str, key: str, caller: Caller, query: dict[str, str]) -> Response:
        page = read_page(query)
        before = cursors.position(route, caller.user_id, page, tuple[datetime, str, int, str])
        if may_view(caller.user_id, caller.country) is not None:
            return as_json(ReelPage(items=[], next_cursor=None))
        entries, position = await read(caller.user_id, key, before, page.limit)
        cursor = cursors.encode(route, caller.user_id, position) if position else None
        return as_json(ReelPage(items=ready_items(entries), next_cursor=cursor))

    @get(
        "/v1/hashtags/{tag}/stories",
        summary="Public live stories with a hashtag, newest first",
        parameters={"tag": {"type": "string", "minLength": 1, "maxLength": MAX_TAG, "description": "without `#`"}},
        query=PAGING,
        answers={200: ReelPage},
    )
    async def list_hashtag_stories(request: Request, caller: Caller, query: dict[str, str]) -> Response:
        tag = folded_tag(request.path_params["tag"])
        if tag is None:
            raise not_found()
        return await page_of(read_hashtag, f"hashtags/{tag}", tag, caller, query)

    @get(
        "/v1/hashtags",
        summary="Up to twenty hashtags of public live stories that begin with a prefix, those with most stories first",
        query={"prefix": {"type": "string", "maxLength": MAX_TAG, "description": "without `#`; empty: any"}},
        answers={200: HashtagPage},
    )
    async def search_hashtags(_request: Request, caller: Caller, query: dict[str, str]) -> Response:
        prefix = query.get("prefix", "")
        if len(prefix) > MAX_TAG:
            raise bad_query("prefix", f"must have at most {MAX_TAG} characters")
        visible_stories.require_loaded()
        folded = folded_prefix(prefix)
        shown = folded is not None and may_view(caller.user_id, caller.country) is None
        found = hashtags.with_prefix(folded or "", MAX_HASHTAGS) if shown else []
        return as_json(HashtagPage(items=[Hashtag(tag=tag, stories=stories) for tag, stories in found]))

    @get(
        "/v1/me/mentions",
        summary="Live stories that mention the caller and that the caller may see, newest first",
        query=PAGING,
        answers={200: ReelPage},
    )
    async def list_mentions(_request: Request, caller: Caller, query: dict[str, str]) -> Response:
        return await page_of(read_mentions, "mentions", caller.user_id, caller, query)

    return router


def folded_prefix(prefix: str) -> str | None:
    """The beginning of a hashtag as hashtags are kept, or None. Digits may begin one, but are none by themselves."""
    if not prefix:
        return ""
    begun = folded_tag(prefix) or folded_tag(f"{prefix}_")
    return begun if begun is None or folded_tag(prefix) else begun.removesuffix("_")
