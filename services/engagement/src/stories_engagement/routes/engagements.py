"""Reactions, shares and counts."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response
from stories_shared.http.authentication import CurrentCaller
from stories_shared.http.bodies import Body, Emoji, StoryId
from stories_shared.http.deadline import DeadlineRoute
from stories_shared.http.idempotency import Idempotent, run_once
from stories_shared.http.openapi import located, refusals
from stories_shared.http.rate_limits import rate_limited
from stories_shared.mongo.idempotency import IdempotencyStore

from stories_engagement.domain.errors import EngagementError
from stories_engagement.routes.dependencies import StoryTicket
from stories_engagement.usecases.access import CheckAccess
from stories_engagement.usecases.engagements import React, ReactionRepository, ReadCounts, Share, WithdrawReaction


class ReactionRequest(Body):
    """A reaction: one emoji, normalised to its fully qualified form."""

    emoji: Emoji


class ReactionsResponse(BaseModel):
    """How many reactions of each kind there are, and the caller's own."""

    counts: Annotated[dict[str, int], Field(description="how many people chose each emoji")]
    total: int
    mine: Annotated[str | None, Field(description="the caller's own emoji; null without one")]


class ShareResponse(BaseModel):
    """The link to hand on. It grants nothing."""

    url: Annotated[str, Field(description="the link; it opens for users who may see the story")]


class CountsResponse(BaseModel):
    """Exact counts: `views` are plays, `viewers` people; `comments` include replies."""

    views: int
    viewers: int
    reactions: Annotated[int, Field(description="people who react")]
    comments: Annotated[int, Field(description="comments and replies that are not hidden")]
    shares: int


def reaction_routes(
    check_access: CheckAccess, react: React, withdraw: WithdrawReaction, reactions: ReactionRepository
) -> APIRouter:
    """One's reaction to a story, and everybody's."""
    router = APIRouter(route_class=DeadlineRoute, tags=["Engagement"])

    @router.put(
        "/v1/stories/{story_id}/reaction",
        status_code=204,
        dependencies=[rate_limited("reactions")],
        responses=refusals("reactions-off"),
    )
    async def set_reaction(
        story_id: StoryId, body: ReactionRequest, caller: CurrentCaller, ticket: StoryTicket = None
    ) -> Response:
        """React to a story, in place of an earlier reaction."""
        await react(await check_access(caller.user_id, story_id, ticket), body.emoji)
        return Response(status_code=204)

    @router.delete("/v1/stories/{story_id}/reaction", status_code=204, dependencies=[rate_limited("reactions")])
    async def withdraw_reaction(story_id: StoryId, caller: CurrentCaller, ticket: StoryTicket = None) -> Response:
        """Take one's reaction back. Needs no ticket where there was one."""
        await withdraw(caller.user_id, story_id, ticket)
        return Response(status_code=204)

    @router.get("/v1/stories/{story_id}/reactions", dependencies=[rate_limited("reads")])
    async def get_reactions(story_id: StoryId, caller: CurrentCaller, ticket: StoryTicket = None) -> ReactionsResponse:
        """How many reactions of each kind a story has."""
        await check_access(caller.user_id, story_id, ticket)
        counts, mine = await reactions.counts(story_id), await reactions.mine(story_id, caller.user_id)
        return ReactionsResponse(counts=dict(counts), total=sum(counts.values()), mine=mine)

    return router


def share_routes(check_access: CheckAccess, share: Share, claims: IdempotencyStore) -> APIRouter:
    """Sharing a story."""
    router = APIRouter(route_class=DeadlineRoute, tags=["Engagement"])

    @router.post(
        "/v1/stories/{story_id}/shares",
        status_code=201,
        dependencies=[rate_limited("shares")],
        responses=refusals("sharing-off") | located("the link"),
    )
    async def share_story(
        story_id: StoryId,
        caller: CurrentCaller,
        idempotency: Idempotent,
        response: Response,
        ticket: StoryTicket = None,
    ) -> ShareResponse:
        """A link to the story; counts once per viewer."""
        access = await check_access(caller.user_id, story_id, ticket)

        async def make(_id: str) -> str:
            return await share(access)

        url = await run_once(
            claims, caller.user_id, idempotency, make, make, refusals=(EngagementError,), under=f"{story_id}/"
        )
        response.headers["Location"] = url
        return ShareResponse(url=url)

    return router


def count_routes(check_access: CheckAccess, read_counts: ReadCounts) -> APIRouter:
    """The counts of a story."""
    router = APIRouter(route_class=DeadlineRoute, tags=["Insights"])

    @router.get("/v1/stories/{story_id}/counts", dependencies=[rate_limited("reads")])
    async def get_counts(story_id: StoryId, caller: CurrentCaller, ticket: StoryTicket = None) -> CountsResponse:
        """Everything that is counted of one story."""
        await check_access(caller.user_id, story_id, ticket)
        return CountsResponse.model_validate(await read_counts(story_id), from_attributes=True)

    return router
