"""Read one's own stories and quota."""

from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from stories_shared.auth.tokens import Caller
from stories_shared.http.authentication import CurrentCaller
from stories_shared.http.bodies import StoryId
from stories_shared.http.deadline import DeadlineRoute
from stories_shared.http.paging import Cursors, Page, Paged
from stories_shared.http.rate_limits import rate_limited

from stories_ingest.domain.quota import QuotaLimits
from stories_ingest.domain.story import State
from stories_ingest.routes.dependencies import requester_of
from stories_ingest.routes.responses import (
    EligibilityResponse,
    MeResponse,
    QuotaResponse,
    StoryResponse,
    story_response,
)
from stories_ingest.usecases.me import ListStories, ReadQuota, ReadStory
from stories_ingest.usecases.rollout import Rollout

ByState = Annotated[
    Literal["draft", "processing", "scheduled", "live", "refused"] | None,
    Query(description="only stories in this state"),
]


def me_routes(
    read: ReadStory,
    list_stories: ListStories,
    read_quota: ReadQuota,
    cursors: Cursors,
    bounds: QuotaLimits,
    rollout: Rollout,
) -> APIRouter:
    """The routes of the caller's own stories and quota."""
    router = APIRouter(route_class=DeadlineRoute, tags=["My stories"], dependencies=[rate_limited("reads")])

    async def quota_of(user_id: str) -> QuotaResponse:
        usage = await read_quota(user_id)
        return QuotaResponse(max_live=bounds.live, max_posted_24h=bounds.posted_24h, **asdict(usage))

    def eligibility_of(caller: Caller) -> EligibilityResponse:
        found = rollout.eligibility(caller.user_id, caller.country)
        return EligibilityResponse.model_validate(found, from_attributes=True)

    @router.get("/v1/me/stories/{story_id}")
    async def get_my_story(story_id: StoryId, caller: CurrentCaller) -> StoryResponse:
        """Everything of a story, in any state until it ends."""
        return story_response(await read(requester_of(caller), story_id))

    @router.get("/v1/me/stories")
    async def list_my_stories(caller: CurrentCaller, page: Paged, state: ByState = None) -> Page[StoryResponse]:
        """One's own stories, newest first."""
        route = f"me/stories?state={state}"
        position = cursors.position(route, caller.user_id, page, tuple[str])
        before = position[0] if position else None
        found = await list_stories(caller.user_id, State(state) if state else None, before, page.limit)
        cursor = cursors.encode(route, caller.user_id, [found.stories[-1].story.id]) if found.more else None
        return Page(items=[story_response(own) for own in found.stories], next_cursor=cursor)

    @router.get("/v1/me")
    async def get_me(caller: CurrentCaller) -> MeResponse:
        """Who the caller is, by their token, and what they may post."""
        return MeResponse(
            id=caller.user_id,
            country=caller.country,
            roles=sorted(caller.roles),
            quota=await quota_of(caller.user_id),
            eligibility=eligibility_of(caller),
        )

    @router.get("/v1/me/quota")
    async def get_quota(caller: CurrentCaller) -> QuotaResponse:
        """How much may still be posted; only what went live counts."""
        return await quota_of(caller.user_id)

    @router.get("/v1/eligibility")
    async def get_eligibility(caller: CurrentCaller) -> EligibilityResponse:
        """Whether the caller may create and view stories according to the rollout policy."""
        return eligibility_of(caller)

    return router
