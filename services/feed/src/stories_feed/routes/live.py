"""Routes of live updates."""

import re
from datetime import timedelta
from functools import partial
from typing import Annotated

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from stories_shared.auth.tokens import LEEWAY, Caller, Unauthenticated
from stories_shared.clock import Clock, rfc3339
from stories_shared.http.authentication import authenticate
from stories_shared.http.deadline import DEADLINE_S, DeadlineRoute
from stories_shared.http.event_stream import EventStreamResponse
from stories_shared.http.problems import unauthenticated
from stories_shared.http.queries import query
from stories_shared.http.raw_routes import raw_route

from stories_feed.routes.browser_tokens import BrowserTokens
from stories_feed.routes.responses import as_json
from stories_feed.usecases.live_updates import LiveUpdates

LAST_EVENT_ID = re.compile(r"[\x20-\x7e]{1,200}").fullmatch
EVENTS = {
    "type": "string",
    "contentMediaType": "text/event-stream",
    "description": "server-sent events: `ring`, `story` and `reset`, each with an id",
}


class LiveToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token for `GET /v1/live?token=`, and when it ends."""

    token: Annotated[str, msgspec.Meta(description="good for `GET /v1/live?token=` only")]
    expires_at: str


def live_routes(live_updates: LiveUpdates, tokens: BrowserTokens, now: Clock) -> APIRouter:
    """Routes of live updates."""
    router = APIRouter(route_class=DeadlineRoute, tags=["Live updates"])
    get = partial(raw_route, router, "GET", limit="reads", deadline_s=DEADLINE_S)

    async def caller_of(request: Request) -> Caller:
        token = query(request, "token").get("token")
        if token is None:
            return await authenticate(request)
        try:
            return tokens.caller(token)
        except Unauthenticated as error:
            raise unauthenticated(error.reason) from error

    @get(
        "/v1/live",
        summary="Changes of rings and of the caller's own stories, as server-sent events",
        query={"token": {"type": "string", "description": "a token of `POST /v1/live/token`, for browsers"}},
        headers={"Last-Event-ID": {"type": "string", "description": "the id of the last event that was received"}},
        answers={200: EVENTS},
        authenticate=caller_of,
    )
    async def stream_updates(request: Request, caller: Caller, _query: dict[str, str]) -> Response:
        last_id = request.headers.get("last-event-id")
        ends_at = caller.expires_at
        if ends_at is not None and ends_at <= now():
            ends_at += LEEWAY + timedelta(seconds=1)  # accepted within the leeway of clocks
        connection = await live_updates.connect(
            caller.user_id, caller.country, ends_at, last_id if last_id is None or LAST_EVENT_ID(last_id) else ""
        )
        return EventStreamResponse(connection)

    @raw_route(
        router,
        "POST",
        "/v1/live/token",
        summary="Get a token for live updates in a browser",
        answers={201: LiveToken},
        limit="reads",
        deadline_s=DEADLINE_S,
    )
    async def create_live_token(_request: Request, caller: Caller, _query: dict[str, str]) -> Response:
        """A token for a browser's EventSource, which cannot send headers. It is good only for `GET /v1/live?token=`."""
        token, expires_at = tokens.sign(caller)
        response = as_json(LiveToken(token=token, expires_at=rfc3339(expires_at)))
        response.status_code = 201
        return response

    return router
