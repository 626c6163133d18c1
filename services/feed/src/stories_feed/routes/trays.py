"""Routes of tray and rings."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from stories_shared.auth.tokens import Caller
from stories_shared.clock import Clock, rfc3339
from stories_shared.http.deadline import DEADLINE_S
from stories_shared.http.paging import Cursors, read_page
from stories_shared.http.raw_routes import PAGING, raw_route

from stories_feed.domain.ttl import TtlPolicy
from stories_feed.routes.responses import (
    USER_IDS_QUERY,
    as_json,
    conditional_response,
    encode,
    user_ids_of,
)
from stories_feed.usecases.ports import ViewPolicy
from stories_feed.usecases.trays import MAX_RINGS, ReadRings, ReadTray, RingState, Tray, TrayEntry


class RingResponse(msgspec.Struct, frozen=True, kw_only=True):
    """An author in the tray. ``poster_url`` is null while it is uncertain whether the story still exists."""

    author_id: str
    ring: Literal["unseen", "seen"]
    stories: Annotated[int, Meta(description="live stories that the caller may see")]
    unseen: Annotated[int, Meta(description="how many of them are unseen")]
    latest_at: str
    expires_at: str
    poster_url: str | None


class TrayPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the tray: unseen first, then newest; and the viewer's own ring."""

    items: list[RingResponse]
    mine: Annotated[RingResponse | None, Meta(description="the caller's own ring; null without a live story")]
    next_cursor: str | None


class RingsResponse(msgspec.Struct, frozen=True, kw_only=True):
    """``unseen``, ``seen`` or ``none`` by author."""

    rings: Annotated[dict[str, RingState], Meta(description="the ring by user id")]


def tray_routes(
    read_tray: ReadTray,
    read_rings: ReadRings,
    cursors: Cursors,
    ttl_policy: TtlPolicy,
    may_view: ViewPolicy,
    now: Clock,
) -> APIRouter:
    """Routes of tray and rings."""
    router = APIRouter(tags=["Viewing"])
    get = partial(raw_route, router, "GET", limit="reads", deadline_s=DEADLINE_S)

    @get(
        "/v1/tray",
        summary="The rings of the authors whom the caller follows: unseen first, then newest",
        query=PAGING,
        answers={200: TrayPage, 304: None},
    )
    async def get_tray(request: Request, caller: Caller, query: dict[str, str]) -> Response:
        viewer = caller.user_id
        page = read_page(query)
        after = cursors.position("tray", viewer, page, tuple[bool, float, str])
        outside = may_view(viewer, caller.country) is not None
        found = Tray([], None, None) if outside else await read_tray(viewer, after, page.limit)
        items = [encoded(entry) for entry in found.entries]
        mine = encoded(found.mine) if found.mine else None
        cursor = cursors.encode("tray", viewer, found.next) if found.next else None
        audiences = {entry.audience for entry in (*found.entries, *((found.mine,) if found.mine else ()))}
        cacheable = [msgspec.Raw(tag) for _, tag in (*items, *((mine,) if mine else ()))]
        response = tray_response([body for body, _ in items], mine[0] if mine else None, cursor)
        return conditional_response(
            request,
            response,
            (cacheable, mine is not None, cursor is not None, page.cursor),
            ttl_policy.cache_window(audiences, now()),
        )

    @get(
        "/v1/rings",
        summary="The rings of up to a hundred users",
        query=USER_IDS_QUERY,
        required=frozenset({"user_ids"}),
        answers={200: RingsResponse},
    )
    async def get_rings(_request: Request, caller: Caller, query: dict[str, str]) -> Response:
        users = user_ids_of(query.get("user_ids"), MAX_RINGS)
        if may_view(caller.user_id, caller.country) is not None:
            return as_json(RingsResponse(rings=dict.fromkeys(users, "none")))
        return as_json(RingsResponse(rings=dict(await read_rings(caller.user_id, users))))

    return router


def tray_response(items: Sequence[bytes], mine: bytes | None, cursor: str | None) -> TrayPage:
    """The response, of rings that are JSON already."""
    rings: Any = [msgspec.Raw(body) for body in items]
    own: Any = None if mine is None else msgspec.Raw(mine)
    return TrayPage(items=rings, mine=own, next_cursor=cursor)


def encoded(entry: TrayEntry) -> tuple[bytes, bytes]:
    """The ring as JSON, and the part of it that a tag covers; encoded once for an entry."""
    if entry.encoded is None:
        ring = ring_response(entry)
        *fields, url = msgspec.structs.astuple(ring)
        entry.encoded = encode(ring), encode((*fields, bool(url)))
    return entry.encoded


def ring_response(entry: TrayEntry) -> RingResponse:
    """The response for a ring."""
    ring = entry.ring
    return RingResponse(
        author_id=ring.author_id,
        ring=ring.state,
        stories=ring.stories,
        unseen=ring.unseen,
        latest_at=rfc3339(ring.latest_at),
        expires_at=rfc3339(ring.expires_at),
        poster_url=entry.poster_url,
    )
