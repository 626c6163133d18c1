"""Asking for a story and for a form to upload with."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta

from fastapi import APIRouter, Response
from stories_shared.http.bodies import StoryId
from stories_shared.http.idempotency import Claims, Idempotent, Once, Replay
from stories_shared.http.limits import limited
from stories_shared.http.openapi import problem_answer
from stories_shared.http.problems import invalid
from stories_shared.http.timely import TimelyRoute
from stories_shared.http.who import Who
from stories_shared.settings import duration, duration_text

from stories_ingest.domain.errors import IngestError
from stories_ingest.domain.story import Asker, State
from stories_ingest.routes.bodies import StoryBody
from stories_ingest.routes.refusals import answering, asker_of
from stories_ingest.routes.shapes import DraftShape, UploadShape, draft_shape, upload_shape
from stories_ingest.usecases.create import CreateStory, RenewForm, UploadForm, Wanted
from stories_ingest.usecases.read import ReadStory


def creating_routes(
    create: CreateStory,
    renew: RenewForm,
    form: UploadForm,
    read: ReadStory,
    claims: Claims,
    lifetimes: Sequence[timedelta],
    new_id: Callable[[], str],
) -> APIRouter:
    """The routes that make drafts."""
    router = APIRouter(route_class=TimelyRoute, tags=["Making stories"])

    def offered(asked: str | None) -> timedelta:
        if asked is None:
            return lifetimes[0]
        with suppress(ValueError, OverflowError):
            lifetime: timedelta = duration(asked)
            if lifetime in lifetimes:
                return lifetime
        raise invalid(f"must be one of {', '.join(map(duration_text, lifetimes))}", "body", "lifetime")

    def wanted(body: StoryBody) -> Wanted:
        lifetime = offered(body.lifetime)
        try:
            words = body.words()
        except ValueError as error:
            raise invalid(str(error), "body", "layers") from error
        return Wanted(
            content_type=body.media.content_type,
            size=body.media.size,
            lifetime=lifetime,
            split=body.split,
            choices=body.choices(),
            words=words,
        )

    async def once(author_id: str, asked: Once | None, make: Wanted) -> str:
        """Make the draft, or find the one that the same request has made; the id of it."""
        if asked is None:
            story_id = new_id()
            await create(story_id, author_id, make)
            return story_id
        claim = await claims.claim_once(author_id, asked, new_id())
        if isinstance(claim, Replay):
            return claim.resource_id
        try:
            await create(claim.resource_id, author_id, make)
        except IngestError:
            await claims.release(claim)
            raise
        await claims.settle(claim)
        return claim.resource_id

    @router.post(
        "/v1/stories",
        status_code=201,
        dependencies=[limited("create")],
        responses={409: problem_answer(409)},
    )
    async def create_story(body: StoryBody, caller: Who, asked: Idempotent, response: Response) -> DraftShape:
        """Ask for a story; the answer holds a form for its upload."""
        with answering():
            story_id = await once(caller.user_id, asked, wanted(body))
            own = await read(Asker(caller.user_id), story_id)
            response.headers["Location"] = f"/v1/me/stories/{story_id}"
            return draft_shape(own, form(own.story) if own.story.state is State.DRAFT else None)

    @router.post(
        "/v1/stories/{story_id}/upload",
        status_code=200,
        dependencies=[limited("writes")],
        responses={409: problem_answer(409)},
    )
    async def renew_form(story_id: StoryId, caller: Who) -> UploadShape:
        """A fresh form for a draft."""
        with answering():
            return upload_shape(await renew(asker_of(caller), story_id))

    return router
