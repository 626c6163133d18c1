"""Create drafts and renew their upload forms."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Header, Response
from stories_shared.auth.tickets import TicketRefused, Tickets
from stories_shared.auth.tokens import Caller
from stories_shared.clock import Clock
from stories_shared.http.authentication import CurrentCaller
from stories_shared.http.bodies import StoryId
from stories_shared.http.deadline import DeadlineRoute
from stories_shared.http.idempotency import Idempotent, run_once
from stories_shared.http.openapi import located, refusals
from stories_shared.http.problems import invalid, not_found, problem
from stories_shared.http.rate_limits import rate_limited
from stories_shared.mongo.idempotency import IdempotencyRequest, IdempotencyStore
from stories_shared.runtime.logging import logger
from stories_shared.runtime.settings import duration, duration_text

from stories_ingest.domain.errors import IngestError
from stories_ingest.domain.story import Requester, State
from stories_ingest.routes.dependencies import requester_of
from stories_ingest.routes.requests import BackgroundRequest, MediaRequest, StoryCreate
from stories_ingest.routes.responses import DraftResponse, UploadResponse, draft_response, upload_response
from stories_ingest.usecases.drafts import CreateStory, DraftRequest, RenewForm, RepostStory, UploadForm
from stories_ingest.usecases.me import ReadStory
from stories_ingest.usecases.rollout import Rollout

log = logger(__name__)

TICKET_READ_GRACE = timedelta(days=30)
"""How long after its end a ticket is told from one that was revoked, or whose story has ended."""

StoryTicket = Annotated[
    str | None,
    Header(description="the ticket that came with the story; not needed by its author", alias="Story-Ticket"),
]


def draft_routes(
    create: CreateStory,
    renew: RenewForm,
    form: UploadForm,
    read: ReadStory,
    claims: IdempotencyStore,
    lifetimes: Sequence[timedelta],
    rollout: Rollout,
    repost: RepostStory,
    tickets: Tickets,
    now: Clock,
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

    async def draft_once(
        caller: Caller, idempotency: IdempotencyRequest | None, create_draft: Callable[[str], Awaitable[object]]
    ) -> str:
        """The id of the draft that this request creates, or that an earlier one with its key has created."""

        async def make(draft_id: str) -> str:
            await create_draft(draft_id)
            log.info("story_state", state="posted", story_id=draft_id)
            return draft_id

        async def replay(draft_id: str) -> str:
            return draft_id

        return await run_once(claims, caller.user_id, idempotency, make, replay, refusals=(IngestError,))

    async def draft_answer(user_id: str, story_id: str, response: Response) -> DraftResponse:
        own = await read(Requester(user_id), story_id)
        response.headers["Location"] = f"/v1/me/stories/{story_id}"
        is_for_upload = own.story.state is State.DRAFT and own.story.takes_upload
        return draft_response(own, form(own.story) if is_for_upload else None)

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

        rollout.require_create(caller.user_id, caller.country)
        story_id = await draft_once(caller, idempotency, lambda draft_id: create(draft_id, caller.user_id, draft))
        return await draft_answer(caller.user_id, story_id, response)

    @router.post(
        "/v1/stories/{story_id}/upload",
        status_code=200,
        dependencies=[rate_limited("writes")],
        responses=refusals("wrong-state"),
    )
    async def renew_upload(story_id: StoryId, caller: CurrentCaller) -> UploadResponse:
        """A fresh form for a draft."""
        return upload_response(await renew(requester_of(caller), story_id))

    @router.post(
        "/v1/stories/{story_id}/repost",
        status_code=201,
        dependencies=[rate_limited("create")],
        responses=refusals(
            "not-in-rollout", "suspended", "sharing-off", "media-refused", "quota-reached", "too-many-drafts"
        )
        | located("the repost as its author sees it"),
    )
    async def repost_story(
        story_id: StoryId,
        caller: CurrentCaller,
        idempotency: Idempotent,
        response: Response,
        story_ticket: StoryTicket = None,
    ) -> DraftResponse:
        """Make a draft of one's own that copies a story's media; it has no upload. Publish it as usual."""

        rollout.require_create(caller.user_id, caller.country)
        revision = await revision_of(story_ticket, caller.user_id, story_id)
        draft_id = await draft_once(
            caller, idempotency, lambda draft_id: repost(draft_id, caller.user_id, story_id, revision)
        )
        return await draft_answer(caller.user_id, draft_id, response)

    async def revision_of(text: str | None, user_id: str, story_id: str) -> int | None:
        """The access revision of the caller's ticket; None for the author, who needs none."""
        if text is None and await read.is_author(user_id, story_id):
            return None
        try:
            ticket = tickets.read(text, user_id, now(), TICKET_READ_GRACE, story_id)
        except TicketRefused as refused:
            if refused.reason == "missing":
                raise problem("ticket-missing") from refused
            raise not_found() from refused
        if ticket.ends_at <= now():
            is_revoked = ticket.access_revision != await read.access_revision(story_id)
            raise not_found() if is_revoked else problem("ticket-expired")
        return ticket.access_revision

    return router
