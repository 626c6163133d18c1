"""Publish, cancel, change and delete stories."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from stories_shared.clock import rfc3339
from stories_shared.http.authentication import CurrentCaller
from stories_shared.http.bodies import StoryId
from stories_shared.http.openapi import refusals
from stories_shared.http.problems import invalid
from stories_shared.http.rate_limits import rate_limited

from stories_ingest.domain.errors import MediaRefused, NotInFuture
from stories_ingest.domain.story import State
from stories_ingest.routes.dependencies import LongPollRoute, Wait, requester_of
from stories_ingest.routes.requests import StoryChanges, StoryPublish
from stories_ingest.routes.responses import (
    DeletingResponse,
    ProcessingResponse,
    ScheduledResponse,
    StoryResponse,
    story_response,
)
from stories_ingest.usecases.deletions import DeleteAllStories, DeleteStory
from stories_ingest.usecases.me import ReadStory
from stories_ingest.usecases.stories import CancelStory, ChangeStory, PublishStory

WholeSeries = Annotated[bool, Query(description="all parts of the series, not this one alone")]


def story_routes(
    publish: PublishStory,
    cancel: CancelStory,
    change: ChangeStory,
    delete: DeleteStory,
    delete_all: DeleteAllStories,
    read: ReadStory,
) -> APIRouter:
    """The routes that change a story."""
    router = APIRouter(route_class=LongPollRoute, tags=["Posting"], dependencies=[rate_limited("writes")])

    @router.post(
        "/v1/stories/{story_id}/publish",
        responses={
            202: {"model": ProcessingResponse | ScheduledResponse},
            **refusals("wrong-state", "not-in-rollout", "suspended", "media-refused", "quota-reached"),
        },
        response_model=StoryResponse,
    )
    async def publish_story(
        story_id: StoryId, caller: CurrentCaller, wait: Wait = 0, body: StoryPublish | None = None
    ) -> StoryResponse | JSONResponse:
        """Post what was uploaded: 200 when it is live, 202 while it is worked on or scheduled, 422 when refused."""
        at = body.at if body else None
        story = await publish(requester_of(caller), story_id, timedelta(seconds=wait), caller.country, at)
        if story.state is State.REFUSED:
            raise MediaRefused(story.reason or "damaged")
        if story.state is State.LIVE:
            return story_response(await read.with_parts(story))
        if story.shown_state is State.SCHEDULED and story.publish_at is not None:
            scheduled = ScheduledResponse(id=story.id, publish_at=rfc3339(story.publish_at))
            return JSONResponse(scheduled.model_dump(), 202)
        progress = ProcessingResponse(id=story.id, progress=round(story.job.progress, 3) if story.job else 0)
        return JSONResponse(progress.model_dump(), 202)

    @router.post("/v1/stories/{story_id}/cancel", status_code=204, responses=refusals("wrong-state"))
    async def cancel_story(story_id: StoryId, caller: CurrentCaller) -> Response:
        """Let a draft or a processing story vanish with its upload."""
        await cancel(requester_of(caller), story_id)
        return Response(status_code=204)

    @router.patch("/v1/stories/{story_id}", responses=refusals("wrong-state"))
    async def change_story(story_id: StoryId, body: StoryChanges, caller: CurrentCaller) -> StoryResponse:
        """Change who may see a story and what may be done with it; what is not sent stays as it is."""
        try:
            return story_response(await change(requester_of(caller), story_id, body.changes()))
        except NotInFuture as error:
            raise invalid(str(error), "body", "publish_at") from error

    @router.delete("/v1/stories/{story_id}", status_code=204)
    async def delete_story(story_id: StoryId, caller: CurrentCaller, series: WholeSeries = False) -> Response:
        """End a story: durable, published, and its media gone when this answers; of an expired one, its insights go."""
        await delete(requester_of(caller), story_id, series=series)
        return Response(status_code=204)

    @router.delete("/v1/me/stories", status_code=202)
    async def delete_stories(caller: CurrentCaller) -> DeletingResponse:
        """End all of one's own live stories; each has a receipt."""
        return DeletingResponse(deleting=await delete_all(caller.user_id))

    return router
