"""Reels, single stories, For You, and what was seen."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response
from stories_shared.clock import Clock
from stories_shared.http.bodies import Body, StoryId, UserId
from stories_shared.http.limits import limited
from stories_shared.http.paging import Cursors, Paged
from stories_shared.http.problems import not_found
from stories_shared.http.timely import TimelyRoute
from stories_shared.http.who import Who

from stories_feed.domain.access import Lives
from stories_feed.domain.live import Place
from stories_feed.routes.answers import (
    USER_IDS,
    Reel,
    Reels,
    answer_unless_known,
    as_json,
    essence_of,
    place_in,
    user_ids_of,
)
from stories_feed.routes.documented import answers
from stories_feed.usecases.items import Item, Shown
from stories_feed.usecases.reading import MOST_REELS, Newness, ReadForYou, ReadReel, ReadReels, ReadStory
from stories_feed.usecases.seeing import MarkSeenUpTo

UserIds = Annotated[
    str,
    Query(description="user ids, separated by commas", examples=["ann,bob"], json_schema_extra={"pattern": USER_IDS}),
]


class UpTo(Body):
    """The last story of a reel that was seen."""

    up_to: StoryId


def story_routes(
    read_reel: ReadReel,
    read_reels: ReadReels,
    read_story: ReadStory,
    read_for_you: ReadForYou,
    mark_seen_up_to: MarkSeenUpTo,
    cursors: Cursors,
    lives: Lives,
    now: Clock,
) -> APIRouter:
    """What plays when somebody taps."""
    router = APIRouter(route_class=TimelyRoute, dependencies=[limited("reads")], tags=["stories"])

    def window(shown: Sequence[Shown]) -> int:
        return lives.window({each.item.audience for each in shown}, now())

    @router.get("/v1/users/{user_id}/stories", responses=answers(Reel, 304), response_model=None)
    async def reel(request: Request, caller: Who, user_id: UserId, page: Paged) -> Response:
        """The reel of an author, as far as the caller may see it: oldest first."""
        route = f"reel/{user_id}"
        after = place_in(cursors.position(route, caller.user_id, page), Place)
        shown, place = await read_reel(caller.user_id, user_id, after, page.limit)
        cursor = sealed(cursors, route, caller.user_id, place)
        answer = Reel(items=[each.item for each in shown], next_cursor=cursor)
        essence = [essence_of(each) for each in shown], cursor is not None, page.cursor
        return answer_unless_known(request, answer, essence, window(shown))

    @router.get("/v1/reels", responses=answers(Reels, 304), response_model=None)
    async def reels(request: Request, caller: Who, user_ids: UserIds) -> Response:
        """The first twenty items of the reels of up to twenty authors."""
        found = await read_reels(caller.user_id, user_ids_of(user_ids, MOST_REELS))
        answer = Reels(reels={author: [each.item for each in shown] for author, shown in found.items()})
        essence = {author: [essence_of(each) for each in shown] for author, shown in found.items()}
        return answer_unless_known(request, answer, essence, window(all_of(found)))

    @router.get("/v1/stories/{story_id}", responses=answers(Item, 404), response_model=None)
    async def story(caller: Who, story_id: StoryId) -> Response:
        """One story for whoever may see it now, with fresh URLs and a fresh ticket; admins see any live one."""
        shown = await read_story(caller.user_id, story_id, admin=caller.is_admin)
        if shown is None:
            raise not_found()
        return as_json(shown.item)

    @router.get("/v1/for-you", responses=answers(Reel), response_model=None)
    async def for_you(caller: Who, page: Paged) -> Response:
        """Public live stories of anyone that the caller has not seen, newest first."""
        before = place_in(cursors.position("for-you", caller.user_id, page), Newness)
        shown, place = await read_for_you(caller.user_id, before, page.limit)
        cursor = sealed(cursors, "for-you", caller.user_id, place)
        return as_json(Reel(items=[each.item for each in shown], next_cursor=cursor))

    @router.put("/v1/users/{user_id}/seen", status_code=204, responses=answers(None, 404), response_model=None)
    async def seen(caller: Who, user_id: UserId, body: UpTo) -> Response:
        """Mark an author's stories seen, up to one and with it, on every device; no view is counted."""
        if not await mark_seen_up_to(caller.user_id, user_id, body.up_to):
            raise not_found()
        return Response(status_code=204)

    return router


def sealed(cursors: Cursors, route: str, user_id: str, place: tuple[Any, ...] | None) -> str | None:
    """The cursor of a place that begins with a time."""
    if place is None:
        return None
    return cursors.seal(route, user_id, [place[0].isoformat(), *place[1:]])


def all_of(reels: Mapping[str, Sequence[Shown]]) -> list[Shown]:
    """The items of all reels."""
    return [shown for reel in reels.values() for shown in reel]
