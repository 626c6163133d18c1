"""Tray and rings. They are asked for all the time, so they are plain Starlette routes with ready bytes."""

import asyncio

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from stories_shared.clock import Clock, text
from stories_shared.http.limits import spend
from stories_shared.http.paging import Cursors, read_page
from stories_shared.http.queries import query
from stories_shared.http.timely import ANSWER_WITHIN_S
from stories_shared.http.who import caller_of

from stories_feed.domain.access import Lives
from stories_feed.routes.answers import (
    RingAnswer,
    RingsAnswer,
    TrayAnswer,
    answer_unless_known,
    as_json,
    place_in,
    user_ids_of,
)
from stories_feed.usecases.trays import MOST_RINGS, Rank, ReadRings, ReadTray, TrayEntry


def tray_routes(read_tray: ReadTray, read_rings: ReadRings, cursors: Cursors, lives: Lives, now: Clock) -> APIRouter:
    """The hot routes."""
    router = APIRouter()

    async def tray(request: Request) -> Response:
        """The rings of those whom the viewer follows."""
        viewer = (await caller_of(request)).user_id
        page = read_page(query(request, "limit", "cursor"))
        spend(request, "reads", viewer)
        after = place_in(cursors.position("tray", viewer, page), Rank)
        async with asyncio.timeout(ANSWER_WITHIN_S):
            found = await read_tray(viewer, after, page.limit)
        items = [ring_answer(entry) for entry in found.entries]
        mine = ring_answer(found.mine) if found.mine else None
        cursor = cursors.seal("tray", viewer, found.next) if found.next else None
        audiences = {entry.audience for entry in (*found.entries, *((found.mine,) if found.mine else ()))}
        essence = [(*entry, bool(url)) for *entry, url in map(fields_of, [*items, *((mine,) if mine else ())])]
        return answer_unless_known(
            request,
            TrayAnswer(items=items, mine=mine, next_cursor=cursor),
            (essence, mine is not None, cursor is not None, page.cursor),
            lives.window(audiences, now()),
        )

    async def rings(request: Request) -> Response:
        """The rings of any users, by id."""
        viewer = (await caller_of(request)).user_id
        users = user_ids_of(query(request, "user_ids").get("user_ids"), MOST_RINGS)
        spend(request, "reads", viewer)
        async with asyncio.timeout(ANSWER_WITHIN_S):
            return as_json(RingsAnswer(rings=dict(await read_rings(viewer, users))))

    router.add_route("/v1/tray", tray, methods=["GET"], include_in_schema=False)
    router.add_route("/v1/rings", rings, methods=["GET"], include_in_schema=False)
    return router


def ring_answer(entry: TrayEntry) -> RingAnswer:
    """A ring as clients get it."""
    ring = entry.ring
    return RingAnswer(
        author_id=ring.author_id,
        ring=ring.state,
        stories=ring.stories,
        unseen=ring.unseen,
        latest_at=text(ring.latest_at),
        expires_at=text(ring.expires_at),
        poster_url=entry.poster_url,
    )


def fields_of(ring: RingAnswer) -> tuple[str | int | None, ...]:
    """The fields of a ring, the URL last."""
    return ring.author_id, ring.ring, ring.stories, ring.unseen, ring.latest_at, ring.expires_at, ring.poster_url
