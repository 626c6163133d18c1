"""Create drafts and renew their upload forms."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta

from fastapi import APIRouter, Response
from stories_shared.http.authentication import CurrentCaller
from stories_shared.http.bodies import StoryId
from stories_shared.http.deadline import DeadlineRoute
from stories_shared.http.idempotency import Idempotent, run_once
from stories_shared.http.openapi import located, refusals
from stories_shared.http.problems import invalid
from stories_shared.http.rate_limits import rate_limited
from stories_shared.mongo.idempotency import IdempotencyStore
from stories_shared.runtime.settings import duration, duration_text

from stories_ingest.domain.errors import IngestError
from stories_ingest.domain.story import Requester, State
from stories_ingest.routes.errors import requester_of, translate_errors
from stories_ingest.routes.requests import BackgroundRequest, MediaRequest, StoryCreate
from stories_ingest.routes.responses import DraftResponse, UploadResponse, draft_response, upload_response
from stories_ingest.usecases.create import CreateStory, DraftRequest, RenewForm, UploadForm
from stories_ingest.usecases.read import ReadStory
from stories_ingest.usecases.rollout import Rollout


def draft_routes(
    create: CreateStory,
    renew: RenewForm,
    form: UploadForm,
    read: ReadStory,
    claims: IdempotencyStore,
    lifetimes: Sequence[timedelta],
    new_id: Callable[[], str],
    rollout: Rollout,
) -> APIRouter:
    """The routes of drafts."""
    router = APIRouter(route_class=DeadlineRoute, tags=["Posting"])

    def lifetime_of(text: str | None) -> timedelta:
        if text is None:
            return lifetimes[0]
        with suppress(ValueError, OverflowError):
            lifetime: timedelta = duration(text)
            if lifetime in lifetimes:
                return lifetime
        raise invalid(f"must be one of {', '.join(map(duration_text, lifetimes))}", "body", "lifetime")

    def draft_request(body: StoryCreate) -> DraftRequest:
        media = body.media
        if isinstance(media, BackgroundRequest) and not body.layers:
            raise invalid("a text story has at least one layer", "body", "layers")
        return DraftRequest(
            content_type=media.content_type if isinstance(media, MediaRequest) else "image/jpeg",
            size=media.size if isinstance(media, MediaRequest) else 0,
            background=None if isinstance(media, MediaRequest) else media.background_value(),
            lifetime=lifetime_of(body.lifetime),
            split=body.split,
            settings=body.settings(),
            overlay=body.overlay(),
        )

    @router.post(
        "/v1/stories",
        status_code=201,
        dependencies=[rate_limited("create")],
        responses=refusals("not-in-rollout", "suspended", "quota-reached", "too-many-drafts")
        | located("the story as its author sees it"),
    )
    async def create_story(
        body: StoryCreate, caller: CurrentCaller, idempotency: Idempotent, response: Response
    ) -> DraftResponse:
        """Ask for a story; the answer holds a form for its upload, null for a text story."""
        draft = draft_request(body)

        async def make(story_id: str) -> str:
            await create(story_id, caller.user_id, draft)
            return story_id

        async def replay(story_id: str) -> str:
            return story_id

        with translate_errors():
            rollout.require_create(caller.user_id, caller.country)
            story_id = await run_once(
                claims, caller.user_id, idempotency, make, replay, refusals=(IngestError,), ids=new_id
            )
            own = await read(Requester(caller.user_id), story_id)
            response.headers["Location"] = f"/v1/me/stories/{story_id}"
            return draft_response(
                own, form(own.story) if own.story.state is State.DRAFT and own.story.background is None else None
            )

    @router.post(
        "/v1/stories/{story_id}/upload",
        status_code=200,
        dependencies=[rate_limited("writes")],
        responses=refusals("wrong-state"),
    )
    async def renew_upload(story_id: StoryId, caller: CurrentCaller) -> UploadResponse:
        """A fresh form for a draft."""
        with translate_errors():
            return upload_response(await renew(requester_of(caller), story_id))

    return router
